"""MobileFaceNet from ONNX: the runtime's own output, its blocks, and graphs it refuses."""

import json

import numpy as np
import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")
onnx = pytest.importorskip("onnx", reason="needs the extra deep")

from sfumato.nets.mobilefacenet import MobileFaceNet, mobilefacenet_from_onnx  # noqa: E402

from .conftest import write_tiny  # noqa: E402


def photos(size, n=3):
    return np.random.default_rng(1).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def embed(net, images):
    with torch.no_grad():
        return net(net.prepare(images)).numpy()


def runtime(path, images):
    """Return what onnxruntime makes of the images, one at a time."""
    ort = pytest.importorskip("onnxruntime", reason="needs the extra faces")
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pixels = ((images.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in pixels])


def test_a_tiny_graph_agrees_with_onnxruntime(tiny_onnx):
    net = mobilefacenet_from_onnx(tiny_onnx)
    expected = runtime(tiny_onnx, photos(16))
    assert expected.std() > 0.1
    np.testing.assert_allclose(embed(net, photos(16)), expected, rtol=1e-5, atol=1e-5)


def test_the_real_network_agrees_with_onnxruntime_and_the_pipeline(shared):
    path = shared("models/mobilefacenet.onnx")
    net = mobilefacenet_from_onnx(path)
    X = embed(net, photos(112))
    np.testing.assert_allclose(X, runtime(path, photos(112)), rtol=0, atol=1e-5)
    from sfumato.faces.encoders import ArcFaceOnnxEncoder

    encoder = ArcFaceOnnxEncoder(path)
    np.testing.assert_allclose(X[1], encoder.encode_chip(photos(112)[1]), rtol=0, atol=1e-5)
    # Chen et al., Table 1: under 1 million parameters (0.99 M), 128 numbers.
    assert net.dimension == 128
    assert 0.98e6 < sum(p.numel() for p in net.parameters()) < 1e6
    # The last five: two bottlenecks, 1 x 1 convolution, global depthwise and linear.
    names = [name for name, _ in net.blocks.named_children()]
    assert len(names) == 27 and names[0] == "00_conv"
    assert names[-5:] == ["22_residual", "23_residual", "24_conv", "25_depthwise", "26_conv"]


def test_blocks_start_where_one_tensor_passes(tiny_onnx):
    # Cut before the convolutions b, g and f; c, d and e lie within the shortcut from r to s.
    net = mobilefacenet_from_onnx(tiny_onnx)
    names = [name for name, _ in net.blocks.named_children()]
    assert names == ["0_conv", "1_residual", "2_depthwise", "3_conv"]
    x = net.prepare(photos(16))
    for block in net.blocks:
        x = block(x)
    assert torch.equal(x, net(net.prepare(photos(16))))
    assert not net.training


def test_the_architecture_is_plain_and_rebuilds_the_net(tiny_onnx):
    net = mobilefacenet_from_onnx(tiny_onnx, scale=127.5)
    again = MobileFaceNet(**json.loads(json.dumps(net.architecture)))
    again.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(embed(again, photos(16)), embed(net, photos(16)))
    usual = embed(mobilefacenet_from_onnx(tiny_onnx), photos(16))
    assert np.abs(usual - embed(again, photos(16))).max() > 1e-3
    assert again.dimension == 4 and again.size == 16


def test_images_of_another_size_are_refused(tiny_onnx):
    with pytest.raises(InputError, match="must be 16 x 16 pixels, got 15 x 15"):
        mobilefacenet_from_onnx(tiny_onnx).prepare(photos(15))


def test_clips_of_old_files_keep_their_bounds_as_attributes(tmp_path, tiny_onnx):
    clip = onnx.helper.make_node("Clip", ["b"], ["c"], min=0.0, max=6.0)
    old = mobilefacenet_from_onnx(write_tiny(tmp_path / "old.onnx", nodes={"c": clip}))
    expected = embed(mobilefacenet_from_onnx(tiny_onnx), photos(16))
    np.testing.assert_array_equal(embed(old, photos(16)), expected)


def node(*arguments, **attributes):
    return onnx.helper.make_node(*arguments, **attributes)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"r": node("Sigmoid", ["a"], ["r"])}, "known operators are Add, Clip, Conv"),
        ({"s": node("Add", ["r", "b0"], ["s"])}, "inputs is of the wrong kind"),
        ({"e": node("Conv", ["d", "x"], ["e"])}, "weights must be stored"),
        ({"g": node("Conv", ["s", "w4"], ["g"], pads=[0, 0, 1, 1])}, "equal padding"),
        ({"g": node("Conv", ["s", "w4"], ["g"], auto_pad="SAME_UPPER")}, "equal padding"),
        ({"y": node("Reshape", ["f", "b1"], ["y"])}, "reshape to one row an image"),
        ({"z": node("Relu", ["y"], ["z"])}, "needs one output"),
    ],
)
def test_other_graphs_are_refused_in_one_line(tmp_path, nodes, words):
    path = write_tiny(tmp_path / "other.onnx", nodes=nodes)
    with pytest.raises(InputError, match=words) as caught:
        mobilefacenet_from_onnx(path)
    assert "\n" not in str(caught.value) and "other.onnx" in str(caught.value)


def test_other_inputs_and_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="square images, has 16 x 20"):
        mobilefacenet_from_onnx(write_tiny(tmp_path / "wide.onnx", sides=(16, 20)))
    with pytest.raises(InputError, match="one input of 3 colour planes"):
        mobilefacenet_from_onnx(write_tiny(tmp_path / "flat.onnx", sides=(16,)))
    with pytest.raises(InputError, match="no such file"):
        mobilefacenet_from_onnx(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match="not an ONNX file"):
        mobilefacenet_from_onnx(tmp_path / "bad.onnx")
    three = write_tiny(tmp_path / "three.onnx", arrays={"row": np.array([1, 1, -1])})
    with pytest.raises(InputError, match="reshape to one row an image"):
        mobilefacenet_from_onnx(three)
    with pytest.raises(InputError, match="scale must be a number > 0"):
        mobilefacenet_from_onnx(write_tiny(tmp_path / "tiny.onnx"), scale=0)
