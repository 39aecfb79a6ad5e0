"""A tiny ONNX face encoder, so that tests run without a real one."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory):
    """Return the path of an ONNX file with every known operator, for 16 x 16 images."""
    return write_tiny(tmp_path_factory.mktemp("onnx") / "tiny.onnx")


def write_tiny(path, *, nodes=None, sides=(16, 16), arrays=None):
    """Write the tiny graph with some nodes or arrays replaced; return the path."""
    onnx = pytest.importorskip("onnx", reason="needs the extra deep")
    rng, make = np.random.default_rng(0), onnx.helper.make_node
    shapes = {"w0": (8, 3, 3, 3), "b0": (8,), "w1": (16, 8, 1, 1), "b1": (16,)}
    shapes |= {"w2": (16, 1, 3, 3), "w3": (8, 16, 1, 1), "b3": (8,), "w4": (8, 1, 8, 8)}
    shapes |= {"w5": (4, 8, 1, 1), "b5": (4,)}
    weights = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    weights |= {"row": np.array([1, -1]), "low": np.float32(0), "high": np.float32(6)}
    weights |= arrays or {}
    graph = {
        "a": make("Conv", ["x", "w0", "b0"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        "r": make("Relu", ["a"], ["r"]),
        "b": make("Conv", ["r", "w1", "b1"], ["b"]),
        "c": make("Clip", ["b", "low", "high"], ["c"]),
        "d": make("Conv", ["c", "w2"], ["d"], group=16, pads=[2, 2, 2, 2], dilations=[2, 2]),
        "e": make("Conv", ["d", "w3", "b3"], ["e"]),
        "s": make("Add", ["r", "e"], ["s"]),
        "g": make("Conv", ["s", "w4"], ["g"], group=8),
        "f": make("Conv", ["g", "w5", "b5"], ["f"]),
        "y": make("Reshape", ["f", "row"], ["y"]),
    } | (nodes or {})
    value = onnx.helper.make_tensor_value_info
    model = onnx.helper.make_graph(
        list(graph.values()),
        "tiny",
        [value("x", onnx.TensorProto.FLOAT, [1, 3, *sides])],
        [value("y", onnx.TensorProto.FLOAT, [1, 4])],
        [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in weights.items()],
    )
    opset = onnx.helper.make_opsetid("", 13)
    # An old format version: runtimes are slower to read the newest than onnx is to write it.
    onnx.save(onnx.helper.make_model(model, opset_imports=[opset], ir_version=8), path)
    return path
