"""Batch jobs with exported models: what the native ones give."""

import pickle

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")


from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.export.exporting import export_model
from sfumato.jobs.protect_templates import ProtectTemplates
from sfumato.models import SavedModel
from sfumato.models.onnx_running import open_onnx


@pytest.fixture
def table(tmp_path, rng):
    columns = {
        "image_id": [f"{row}" for row in range(40)],
        "gender": rng.choice(["female", "male"], 40),
        "embedding": rng.normal(size=(40, 6)),
    }
    batch = table_batch(columns)
    info = TableInfo(source="toy", encoder="e", dimension=6)
    write_table(tmp_path / "t.parquet", [batch], batch.schema, info)
    return FaceTable(tmp_path / "t.parquet")


def test_an_exported_eraser_protects_as_the_saved_one(table, tmp_path):
    eraser = LeaceEraser().fit(table.embeddings(), table.column("gender").astype(str))
    model = SavedModel(eraser, ("gender",), table.info)
    export_model(model, tmp_path / "m.onnx")
    job = ProtectTemplates(model, table)
    # As a worker process has it.
    other = pickle.loads(pickle.dumps(ProtectTemplates(open_onnx(tmp_path / "m.onnx"), table)))
    assert other.info == job.info and other.schema == job.schema
    (part,) = job.parts(100)
    ((rows, bad),), ((others, worse),) = job.rows(part), other.rows(part)
    assert not bad and not worse and others.column("image_id") == rows.column("image_id")
    found, expected = (np.stack(each.to_pydict()["embedding"]) for each in (others, rows))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_exported_eraser_refuses_another_encoders_templates(table, tmp_path):
    eraser = LeaceEraser().fit(table.embeddings(), table.column("gender").astype(str))
    info = TableInfo(encoder="other", dimension=6)
    export_model(SavedModel(eraser, ("gender",), info), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="cannot go through leace"):
        ProtectTemplates(open_onnx(tmp_path / "m.onnx"), table)


@pytest.mark.parametrize("rows", [[3, 7], [3, 5, 7]])
def test_rows_without_a_direction_are_rejects(tmp_path, table, rows):
    X = table.embeddings()
    eraser = LeaceEraser().fit(X, table.column("gender").astype(str))
    X[[3, 7]] = 0
    if 5 in rows:
        X[5] = np.nan
    batch = table_batch({"image_id": table.column("image_id").tolist(), "embedding": X})
    write_table(tmp_path / "z.parquet", [batch], batch.schema, table.info)
    model = SavedModel(eraser, (), table.info)
    job = ProtectTemplates(model, FaceTable(tmp_path / "z.parquet"))
    (part,) = job.parts(100)
    ((protected, bad),) = job.rows(part)
    assert {int(reject["image_id"]) for reject in bad} == set(rows)
    reasons = {int(reject["image_id"]): reject["reason"] for reject in bad}
    assert "no direction" in reasons[3] and "no direction" in reasons[7]
    assert protected.num_rows == 40 - len(rows)


def test_a_table_without_rows_is_refused(tmp_path, table):
    eraser = LeaceEraser().fit(table.embeddings(), table.column("gender").astype(str))
    write_table(tmp_path / "empty.parquet", [], table.schema, table.info)
    with pytest.raises(InputError, match="has no rows, so there is nothing to protect"):
        ProtectTemplates(SavedModel(eraser, (), table.info), FaceTable(tmp_path / "empty.parquet"))


def test_a_batch_of_rejects_alone_leaves_no_row(tmp_path, table):
    eraser = LeaceEraser().fit(table.embeddings(), table.column("gender").astype(str))
    X = np.zeros((3, 6))
    batch = table_batch({"image_id": ["a", "b", "c"], "embedding": X})
    write_table(tmp_path / "z.parquet", [batch], batch.schema, table.info)
    model = SavedModel(eraser, (), table.info)
    job = ProtectTemplates(model, FaceTable(tmp_path / "z.parquet"))
    ((rows, bad),) = job.rows(job.parts(100)[0])
    assert rows.num_rows == 0 and rows.schema == job.schema and len(bad) == 3
