"""Encoders: the graph's own layout, versions, an independent runtime, and real pairs."""

import hashlib
import pickle
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from sfumato.errors import InputError
from sfumato.faces.align import align_dlib
from sfumato.faces.detect import YunetDetector
from sfumato.faces.encoders import ArcFaceOnnxEncoder, DlibEncoder, _layout, make_encoder
from sfumato.faces.photos import read_photo

cv2 = pytest.importorskip("cv2", reason="needs the extra faces")
pytest.importorskip("onnxruntime", reason="needs the extra faces")


@pytest.fixture(scope="module")
def people(shared):
    """Return six photos, two a person, with their largest faces."""
    detector = YunetDetector(shared("models/yunet_n_640_640.onnx"))
    names = {"Abdullah_0001", "Abdullah_0002", "Aaron_Peirsol_0001", "Aaron_Peirsol_0002"}
    names |= {"Adam_Sandler_0001", "Adam_Sandler_0002"}
    table = pq.ParquetFile(shared("data/lfw.parquet"))
    photos = []
    for batch in table.iter_batches(columns=["image_id", "image"]):
        photos += [row for row in batch.to_pylist() if row["image_id"] in names]
    photos = [
        read_photo(row["image"]["bytes"]) for row in sorted(photos, key=lambda r: r["image_id"])
    ]
    assert len(photos) == 6
    return [(photo, detector.detect(photo)[0]) for photo in photos]


@pytest.fixture(scope="module")
def arcface(shared):
    return make_encoder(f"arcface-onnx:{shared('models/mobilefacenet.onnx')}")


@pytest.fixture(scope="module")
def dlib_encoder():
    pytest.importorskip("dlib", reason="needs the extra faces")
    pytest.importorskip("face_recognition_models", reason="needs the extra faces")
    return make_encoder("dlib")


def distances(encoder, people):
    X = np.stack([encoder.encode(*person) for person in people])
    assert X.shape == (6, encoder.dimension) and X.dtype == np.float32
    if encoder.metric == "cosine":
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    return np.linalg.norm(X[:, None] - X, axis=2)


@pytest.mark.parametrize("name", ["arcface", "dlib_encoder"])
def test_same_people_are_nearer_than_others(name, people, request):
    D = distances(request.getfixturevalue(name), people)
    same = [D[i, i + 1] for i in (0, 2, 4)]
    other = [D[i, j] for i in range(6) for j in range(6) if i // 2 != j // 2]
    assert max(same) < min(other)
    if name == "dlib_encoder":
        # dlib documents 0.6 as the distance that separates people.
        assert max(same) < 0.6 < np.median(other)


def test_another_runtime_gives_the_same_embedding(arcface, people, shared):
    net = cv2.dnn.readNetFromONNX(str(shared("models/mobilefacenet.onnx")))
    chip = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    # blobFromImage subtracts the mean and multiplies by the scale, planes first.
    net.setInput(cv2.dnn.blobFromImage(chip, 1 / 128, (112, 112), (127.5,) * 3))
    np.testing.assert_allclose(arcface.encode_chip(chip), net.forward()[0], rtol=1e-3, atol=1e-3)


def test_scale_of_127_5(arcface, shared):
    other = ArcFaceOnnxEncoder(shared("models/mobilefacenet.onnx"), scale=127.5)
    chip = np.full((112, 112, 3), 200, np.uint8)
    assert np.abs(other.encode_chip(chip) - arcface.encode_chip(chip)).max() > 1e-4
    assert pickle.loads(pickle.dumps(other)).parameters["scale"] == 127.5
    with pytest.raises(InputError, match="scale must be a number > 0"):
        ArcFaceOnnxEncoder(shared("models/mobilefacenet.onnx"), scale=0)


def test_name_version_and_dimension(arcface, dlib_encoder, shared):
    content = shared("models/mobilefacenet.onnx").read_bytes()
    assert arcface.version == hashlib.sha256(content).hexdigest()[:12]
    assert (arcface.name, arcface.dimension) == ("arcface-onnx:mobilefacenet", 128)
    assert (arcface.metric, dlib_encoder.metric) == ("cosine", "euclidean")
    assert len(dlib_encoder.version) == 12 and dlib_encoder.dimension == 128
    assert isinstance(pickle.loads(pickle.dumps(dlib_encoder)), DlibEncoder)


def test_dlib_chips_are_centred_on_the_face(dlib_encoder, people):
    for photo, face in people:
        chip = align_dlib(photo, face)
        np.testing.assert_array_equal(
            align_dlib(photo, face, predictor=dlib_encoder._predictor), chip
        )
        assert chip.shape == (150, 150, 3)
    assert align_dlib(photo, face, size=96).shape == (96, 96, 3)


def session(shape, n_inputs=1, kind="tensor(float)"):
    inputs = [SimpleNamespace(shape=shape, type=kind)] * n_inputs
    return SimpleNamespace(inputs=inputs)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ([1, 3, 112, 112], (112, True)),
        (["N", 3, 96, 96], (96, True)),
        ([None, 160, 160, 3], (160, False)),
        (["batch", 3, "height", "width"], (112, True)),
    ],
)
def test_layout(shape, expected):
    assert _layout(session(shape), "x.onnx") == expected


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (session([1, 3, 112, 96]), "square"),
        (session([8, 3, 112, 112]), "one at a time"),
        (session([1, 1, 112, 112]), "3 colour planes"),
        (session([1, 512]), "four axes, has shape \\[1, 512\\]"),
        (session([1, 3, 0, 0]), "square"),
        (session([0, 3, 112, 112]), "one at a time"),
        (session([], n_inputs=0), r"one float image input, has \[\]"),
        (session([1, 3, 112, 112], n_inputs=2), "one float image input"),
        (session([1, 3, 112, 112], kind="tensor(uint8)"), "one float image input"),
    ],
)
def test_other_graphs_are_refused(broken, words):
    with pytest.raises(InputError, match=words) as caught:
        _layout(broken, "x.onnx")
    assert "\n" not in str(caught.value)


def test_bad_specs_and_files(tmp_path):
    for spec in ("facenet", "arcface-onnx:", "dlib:x"):
        with pytest.raises(InputError, match="one of dlib, arcface-onnx:PATH"):
            make_encoder(spec)
    with pytest.raises(InputError, match="no such file"):
        make_encoder(f"arcface-onnx:{tmp_path / 'none.onnx'}")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match="not an ONNX file"):
        make_encoder(f"arcface-onnx:{tmp_path / 'bad.onnx'}")


def network(path, nodes, output, *, initializers=()):
    """Write a network on images of 8 pixels a side that may do anything."""
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    image = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    arrays = [onnx.numpy_helper.from_array(values, name) for name, values in initializers]
    graph = onnx.helper.make_graph(nodes(onnx.helper.make_node), "g", [image], [output], arrays)
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def tensor(name="y", kind=1):
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    return onnx.helper.make_tensor_value_info(name, kind, None)


SHAPE_7 = ("shape", np.array([7, 7]))


@pytest.mark.parametrize(
    ("nodes", "initializers", "words"),
    [
        (lambda node: [node("Reshape", ["x", "shape"], ["y"])], [SHAPE_7], "cannot run it"),
        (lambda node: [node("Log", ["x"], ["y"])], [], "a NaN or infinite value"),
        (lambda node: [node("ReduceMax", ["x"], ["y"])], [], "holds one number"),
        (lambda node: [node("SequenceConstruct", ["x"], ["y"])], [], "'y' is no array"),
        (lambda node: [node("Cast", ["x"], ["y"], to=8)], [], "no numbers"),
    ],
)
def test_networks_that_give_no_embedding_are_refused(tmp_path, nodes, initializers, words):
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    output = tensor(kind=8) if "no numbers" in words else tensor()
    if "no array" in words:
        inner = onnx.helper.make_tensor_type_proto(1, None)
        kind = onnx.helper.make_sequence_type_proto(inner)
        output = onnx.helper.make_value_info("y", kind)
    path = network(tmp_path / "n.onnx", nodes, output, initializers=initializers)
    with pytest.raises(InputError, match=words) as caught:
        ArcFaceOnnxEncoder(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_network_that_fails_on_one_face_alone_names_its_file(tmp_path):
    # 1 / mean: finite on the blank image, infinite where pixels cancel out.
    def nodes(node):
        return [
            node("Flatten", ["x"], ["flat"]),
            node("ReduceSum", ["flat"], ["sum"]),
            node("Div", ["flat", "sum"], ["y"]),
        ]

    encoder = ArcFaceOnnxEncoder(network(tmp_path / "n.onnx", nodes, tensor()))
    chip = np.zeros((8, 8, 3), np.uint8)
    assert np.isfinite(encoder.encode_chip(chip)).all()
    chip[:4] = 255
    with pytest.raises(InputError, match=r"n\.onnx: its embedding holds a NaN"):
        encoder.encode_chip(chip)
