"""An exported file run alone: what it refuses, and what it says of itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")

from sfumato.data.info import TableInfo  # noqa: E402
from sfumato.erasers.leace import LeaceEraser  # noqa: E402
from sfumato.errors import InputError  # noqa: E402
from sfumato.export.exporting import export_model  # noqa: E402
from sfumato.models import SavedModel  # noqa: E402
from sfumato.models.onnx_model import OnnxModel  # noqa: E402

INFO = TableInfo(source="toy", encoder="net", encoder_version="1", dimension=4)


def saved(info=INFO):
    rng = np.random.default_rng(0)
    eraser = LeaceEraser().fit(rng.normal(size=(30, 4)), np.resize(["f", "m"], 30))
    return SavedModel(eraser, ("gender",), info, {"source": "toy", "n_rows": 30})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Return eraser and file, with and without a known encoder."""
    folder, found = tmp_path_factory.mktemp("models"), []
    for number, info in enumerate((INFO, TableInfo(dimension=4))):
        export_model(saved(info), folder / f"{number}.onnx")
        found.append((saved(info), OnnxModel(folder / f"{number}.onnx")))
    return found


def test_it_says_what_it_is(pairs):
    model, exported = pairs[0]
    assert (exported.kind, exported.method) == ("eraser", "leace")
    assert exported.description["step"] == model.step
    assert exported.description["version"] == model.version
    assert exported.info == INFO
    assert exported.inputs == {"embedding": ["N", 4]}
    assert exported.outputs == {"protected": ["N", 4]}
    assert exported.transformed(INFO) == INFO.transformed(
        model.step, dimension=4, normalisation="none"
    )


@given(
    encoder=st.sampled_from([None, "net", "other"]),
    version=st.sampled_from([None, "1", "2"]),
    dimension=st.sampled_from([None, 4, 5]),
    erased=st.booleans(),
    known=st.booleans(),
)
def test_it_refuses_exactly_what_the_eraser_refuses(
    pairs, encoder, version, dimension, erased, known
):
    model, exported = pairs[known]
    info = TableInfo(encoder=encoder, encoder_version=version, dimension=dimension)
    if erased:
        info = replace(info, transformations=(model.step,))
    said = []
    for each in (model, exported):
        try:
            said.append(each.check(info, "faces.parquet"))
        except InputError as error:
            said.append(str(error))
    assert said[0] == said[1]


@settings(max_examples=30)
@given(n_rows=st.integers(1, 40), chunk_rows=st.integers(1, 50))
def test_chunks_do_not_show(pairs, n_rows, chunk_rows):
    model, exported = pairs[0]
    X = np.random.default_rng(n_rows).normal(size=(n_rows, 4))
    found = exported.transform(X, chunk_rows=chunk_rows)
    np.testing.assert_allclose(found, model.eraser.transform(X), atol=1e-5)


def test_bad_rows_are_refused(pairs):
    _, exported = pairs[0]
    X = np.ones((3, 4))
    X[1, 2] = np.inf
    for bad, match in (
        (X, "row 1 has a NaN or infinite"),
        (np.ones((3, 5)), r"embedding must have shape \(n_rows, 4\), got \(3, 5\)"),
        (np.ones((0, 4)), "must have shape"),
    ):
        with pytest.raises(InputError, match=match):
            exported.transform(bad)
    for inputs, match in (
        ({}, "needs the inputs embedding"),
        ({"embedding": 1.0}, "must have shape"),
        ({"embedding": np.ones((2, 4), complex)}, "must be float32, got complex128"),
        ({"embedding": X}, "embedding must be finite, row 1"),
        ({"embedding": X[:0]}, "at least 1, got {'embedding': 0}"),
    ):
        with pytest.raises(InputError, match=match):
            exported.run(inputs)


def test_other_files_are_refused(pairs, tmp_path):
    path = tmp_path / "x.onnx"
    with pytest.raises(InputError, match="no such file"):
        OnnxModel(path)
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match="x.onnx: not an ONNX file"):
        OnnxModel(path)
    ours = onnx.load(pairs[0][1].path)
    text = ours.metadata_props[0].value
    ours.metadata_props[0].value = text.replace('"format": 1', '"format": 2')
    onnx.save(ours, path)
    with pytest.raises(InputError, match="export format 2, this version reads 1; update"):
        OnnxModel(path)
    del ours.metadata_props[:]
    onnx.save(ours, path)
    with pytest.raises(InputError, match="an ONNX file, but not one that sfumato exported"):
        OnnxModel(path)
    with pytest.raises(InputError, match="n_threads must be an integer >= 0, got -1"):
        OnnxModel(pairs[0][1].path, n_threads=-1)
