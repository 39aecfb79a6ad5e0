"""Graphs of erasers: affine maps are one product, and a row of zeros has a result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")

from sfumato.erasers.inlp import InlpEraser  # noqa: E402
from sfumato.erasers.leace import LeaceEraser  # noqa: E402
from sfumato.erasers.mean_projection import MeanProjectionEraser  # noqa: E402
from sfumato.erasers.rlace import RlaceEraser  # noqa: E402
from sfumato.erasers.sensitivenets import SensitiveNetsEraser  # noqa: E402
from sfumato.export.exporting import export_model  # noqa: E402
from sfumato.models.onnx_model import OnnxModel  # noqa: E402


def draw(seed=0, n_features=5):
    rng = np.random.default_rng(seed)
    y = np.repeat(["a", "b", "c"], 20)
    return rng.normal(size=(60, n_features)) + np.eye(n_features)[np.repeat([0, 1, 2], 20)], y


@pytest.mark.parametrize(
    "eraser",
    [
        LeaceEraser(),
        InlpEraser(n_iterations=2),
        RlaceEraser(n_iterations=100),
        MeanProjectionEraser(),
    ],
)
def test_an_affine_map_is_one_gemm(eraser, tmp_path):
    export_model(eraser.fit(*draw()), tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert [node.op_type for node in graph.node] == ["Gemm"]
    matrix, constant = map(onnx.numpy_helper.to_array, graph.initializer)
    assert matrix.dtype == constant.dtype == np.float32
    assert matrix.shape == (5, 5) and constant.shape == (5,)


def test_the_constant_is_folded_in_float64(tmp_path):
    # The mean is 10,000 times the spread: in float32 mean @ (I - A) would lose four digits.
    X, y = draw()
    eraser = LeaceEraser().fit(X + 10_000, y)
    export_model(eraser, tmp_path / "m.onnx")
    constant = onnx.numpy_helper.to_array(onnx.load(tmp_path / "m.onnx").graph.initializer[1])
    np.testing.assert_allclose(constant, eraser.affine_map()[1], rtol=1e-6)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31), n_features=st.integers(3, 9))
def test_leace_comes_out_the_same_for_any_data(tmp_path_factory, seed, n_features):
    eraser = LeaceEraser().fit(*draw(seed, n_features))
    path = tmp_path_factory.mktemp("leace") / "m.onnx"
    assert export_model(eraser, path)["difference"] <= 1e-6


def test_a_zero_row_of_sensitivenets_stays_zero(tmp_path):
    eraser = SensitiveNetsEraser()
    eraser.weights_ = np.arange(12, dtype=np.float32).reshape(4, 3)
    eraser.bias_, eraser.n_features_in_ = np.array([1, 2, 3, 4], np.float32), 3
    export_model(eraser, tmp_path / "m.onnx")
    found = OnnxModel(tmp_path / "m.onnx").transform(np.array([[0, 0, 0], [2, 0, 0]]))
    # The second by hand: 2 (0, 3, 6, 9) + |x| (1, 2, 3, 4) is in proportion to (1, 5, 9, 13).
    np.testing.assert_allclose(found[0], 0)
    np.testing.assert_allclose(found[1], np.array([1, 5, 9, 13]) / 276**0.5, rtol=1e-6)
