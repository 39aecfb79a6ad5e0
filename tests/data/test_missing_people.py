"""A row without a person is refused with its file and id, wherever people matter."""

import numpy as np
import pytest

from sfumato.audit.tables import audit_tables
from sfumato.audit.verification import verify
from sfumato.data.info import TableInfo
from sfumato.data.selection import Selection, read_rows
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError
from sfumato.models.tables import fit_table

ALL = Selection()


@pytest.mark.parametrize("missing", [None, "", "NA", "nan"])
@pytest.mark.parametrize("entrance", ["fit", "fit all", "audit", "verify"])
def test_a_missing_person_is_refused(tmp_path, rng, entrance, missing):
    people = [f"p{k // 2}" for k in range(40)]
    people[7] = missing
    columns = {"image_id": [f"i{k}" for k in range(40)], "identity": people}
    columns |= {"gender": ["f", "f", "m", "m"] * 10, "embedding": rng.normal(size=(40, 4))}
    batch = table_batch(columns)
    path = tmp_path / "t.parquet"
    write_table(path, [batch], batch.schema, TableInfo(encoder="toy"))
    run = {
        "fit": lambda: fit_table("leace", path, ["gender"], tmp_path / "m"),
        "fit all": lambda: fit_table("inlp", path, ["gender"], tmp_path / "m", selection=ALL),
        "audit": lambda: audit_tables(path, ["gender"]),
        "verify": lambda: verify(path),
    }
    with pytest.raises(InputError, match="t.parquet: identity of row 'i7' is missing"):
        run[entrance]()


@pytest.mark.parametrize("kind", [np.int64, np.float64, np.float32, np.uint8])
def test_people_fall_on_the_same_side_however_they_are_stored(tmp_path, rng, kind):
    halves = {}
    for name, people in {
        "text": [str(k // 2) for k in range(80)],
        "numbers": (np.arange(80) // 2).astype(kind),
    }.items():
        columns = {"image_id": np.arange(80), "identity": people}
        batch = table_batch(columns | {"embedding": rng.normal(size=(80, 4))})
        path = tmp_path / f"{name}.parquet"
        write_table(path, [batch], batch.schema, TableInfo(encoder="toy"))
        columns, _ = read_rows(FaceTable(path), Selection(half="eraser"))
        halves[name] = columns["image_id"].tolist()
    assert halves["numbers"] == halves["text"] and 0 < len(halves["text"]) < 80


def test_a_row_of_zeros_is_refused_where_angles_are_compared(tmp_path, rng):
    X = rng.normal(size=(40, 4))
    X[9] = 0
    batch = table_batch(
        {"image_id": np.arange(40), "gender": ["f", "f", "m", "m"] * 10, "embedding": X}
    )
    for metric in ("cosine", "euclidean"):
        info = TableInfo(encoder="toy", metric=metric)
        write_table(tmp_path / f"{metric}.parquet", [batch], batch.schema, info)
    with pytest.raises(InputError, match="cosine.parquet, row 9: an embedding of zeros has no"):
        fit_table("leace", tmp_path / "cosine.parquet", ["gender"], tmp_path / "m")
    fit_table("leace", tmp_path / "euclidean.parquet", ["gender"], tmp_path / "m")
