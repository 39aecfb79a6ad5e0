"""Face tables in Lance's format hold the rows of those in Parquet."""

import pickle

import numpy as np
import pytest

lancedb = pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.data import lance  # noqa: E402
from sfumato.data.info import TableInfo  # noqa: E402
from sfumato.data.tables import FaceTable, table_batch, write_table  # noqa: E402
from sfumato.errors import InputError  # noqa: E402


def test_a_lance_folder_is_a_face_table(tmp_path, rng, monkeypatch):
    columns = {
        "image_id": [f"p{n}" for n in range(25)],
        "gender": ["f", None, "m", "m", "f"] * 5,
        "embedding": rng.normal(size=(25, 4)),
    }
    batch = table_batch(columns)
    info = TableInfo(source="toy", encoder="e", dimension=4)
    write_table(tmp_path / "t.parquet", [batch], batch.schema, info)
    table = FaceTable(tmp_path / "t.parquet")
    rows = batch.replace_schema_metadata(info.to_metadata())
    stored = lancedb.connect(tmp_path).create_table("t", rows)
    monkeypatch.setattr(lance, "ROW_GROUP", 10)
    # As a worker process has it, after the table was changed.
    other = lance.open_face_table(tmp_path / "t.lance")
    before = other.fingerprint()
    stored.delete("image_id = 'p3'")
    assert lance.open_face_table(tmp_path / "t.lance").fingerprint() != before
    other = pickle.loads(pickle.dumps(other))
    assert other.info == table.info and other.columns == table.columns and other.n_rows == 25
    assert other.row_groups() == [(0, 0, 10), (0, 1, 10), (0, 2, 5)]
    assert list(other.check().column("gender")) == list(table.column("gender"))
    np.testing.assert_array_equal(other.embeddings(), table.embeddings())
    found = [
        name
        for part in other.batches(["image_id"], groups=[(0, 2), (0, 1)], batch_rows=4)
        for name in part.column(0).to_pylist()
    ]
    assert found == [f"p{n}" for n in range(10, 25)]


def test_what_is_no_lance_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such table"):
        lance.open_face_table(tmp_path / "none.lance")
    (tmp_path / "empty.lance").mkdir()
    with pytest.raises(InputError, match="not a readable Lance table"):
        lance.open_face_table(tmp_path / "empty.lance")
