"""``-o name.parquet`` writes a table, ``-o folder/`` its parts, as ``sfumato batch`` does."""

import io
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.models import SavedModel, save


def run(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.fixture
def templates(tmp_path, rng):
    """A table with a row without a good template, and an eraser for it."""
    X = rng.normal(size=(60, 5)).astype(np.float32)
    gender = np.array(["f", "m"] * 30)
    info = TableInfo(source="toy", encoder="e", dimension=5)
    save(SavedModel(LeaceEraser().fit(X, gender), ("gender",), info), tmp_path / "model")
    X[11, 0] = np.inf
    columns = {"image_id": [f"{n}" for n in range(60)], "gender": gender, "embedding": X}
    batches = [
        table_batch({name: column[at : at + 20] for name, column in columns.items()})
        for at in (0, 20, 40)
    ]
    write_table(tmp_path / "t.parquet", batches, batches[0].schema, info)
    return tmp_path


def test_protect_writes_a_table_or_its_parts(templates):
    model, table = templates / "model", templates / "t.parquet"
    one, parts, old = (templates / name for name in ("one.parquet", "parts", "old.parquet"))
    done = run("protect", model, table, "-o", one, code=1)
    assert "59 protected embeddings" in done.stdout and "1 rejected" in done.stderr
    assert "one.rejects.parquet" in done.stderr and "infinite" in done.stderr
    run("protect", model, table, "-o", f"{parts}/", "--part-rows", 20, "--workers", 1, code=1)
    # The old command makes a folder whatever its name.
    done = run("batch", "protect", model, table, "-o", old, "--part-rows", 20, "--json", code=1)
    said = json.loads(done.stdout)
    assert (said["n_parts"], said["n_rows"], said["n_rejects"]) == (3, 59, 1)
    assert sorted(os.listdir(parts)) == sorted(os.listdir(old))
    expected = FaceTable(one)
    for output in (parts, old):
        found = FaceTable(output).check()
        assert found.info == expected.info and len(found.files) == 3
        assert list(found.column("image_id")) == list(expected.column("image_id"))
        np.testing.assert_array_equal(found.embeddings(), expected.embeddings())
    with pytest.raises(InputError, match="exists already"):
        run("protect", model, table, "-o", one)
    with pytest.raises(InputError, match=r"--perturber: for photos only"):
        run("protect", model, table, "-o", one, "--perturber", "x")
    with pytest.raises(InputError, match="is an input"):
        run("protect", model, table, "-o", table, "--force")


def test_describe_writes_a_table_or_its_parts(shared, tmp_path):
    for module in ("dlib", "PIL"):
        pytest.importorskip(module, reason="needs the extra faces")
    from PIL import Image

    file = pq.ParquetFile(shared("data/lfw.parquet"))
    (tmp_path / "in").mkdir()
    for n, row in enumerate(file.read_row_group(0, columns=["image"]).slice(0, 2).to_pylist()):
        Image.open(io.BytesIO(row["image"]["bytes"])).save(tmp_path / "in" / f"{n}.png")
    (tmp_path / "in" / "z.png").write_bytes(b"")
    done = run("describe", tmp_path / "in", "-o", tmp_path / "d.parquet", code=1)
    assert "2 rows of 3" in done.stdout and "d.rejects.parquet" in done.stderr
    run("describe", tmp_path / "in", "-o", tmp_path / "parts", code=1)
    run("batch", "describe", tmp_path / "in", "-o", tmp_path / "old", code=1)
    rows = pq.read_table(tmp_path / "d.parquet").to_pylist()
    assert [row["image_id"] for row in rows] == ["0.png#0", "1.png#0"]
    assert {"gender", "gender_probability", "age_years_low"} <= set(rows[0])
    for output in ("parts", "old"):
        assert pq.read_table(tmp_path / output).to_pylist() == rows
    for words in (("--csv", "x.csv"), ("--picture", "x.png")):
        with pytest.raises(InputError, match="--output stands alone"):
            run("describe", tmp_path / "in", "-o", tmp_path / "e.parquet", *words)
    with pytest.raises(InputError, match="are for --output"):
        run("describe", tmp_path / "in", "--runner", "ray")
