"""dlib's network in ONNX Runtime against dlib itself."""

from pathlib import Path

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.faces.dlib_resnet import _convolutions, _packed, pixels, read_weights, to_onnx

pytest.importorskip("dlib", reason="needs the extra faces")
pytest.importorskip("onnx", reason="needs the extra faces")
models = pytest.importorskip("face_recognition_models", reason="needs the extra faces")


@pytest.fixture(scope="module")
def weights():
    return models.face_recognition_model_location()


@pytest.fixture(scope="module")
def session(weights):
    import onnxruntime

    return onnxruntime.InferenceSession(to_onnx(weights), providers=["CPUExecutionProvider"])


def chips():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    ramp = np.broadcast_to(np.arange(150, dtype=np.uint8)[:, None, None], (150, 150, 3))
    corner = np.zeros((150, 150, 3), dtype=np.uint8)
    corner[-20:, -20:, 0] = 255
    return [*noise, np.ascontiguousarray(ramp), corner, np.full((150, 150, 3), 255, np.uint8)]


def test_embeddings_are_dlibs(weights, session):
    import dlib

    net = dlib.face_recognition_model_v1(weights)
    expected = np.array([net.compute_face_descriptor(chip) for chip in chips()])
    found = np.concatenate([session.run(None, {"image": pixels(chip)})[0] for chip in chips()])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.1


def test_a_batch_is_its_rows(session):
    images = np.concatenate([pixels(chip) for chip in chips()])
    alone = np.concatenate([session.run(None, {"image": x[None]})[0] for x in images])
    np.testing.assert_allclose(session.run(None, {"image": images})[0], alone, atol=1e-6)


def test_there_are_29_convolutions(weights):
    assert len(list(_convolutions())) == 29
    convolutions, last = read_weights(weights)
    assert [w.shape[0] for w, _ in convolutions[:3]] == [32, 32, 32]
    assert last.shape == (256, 128)
    # With the affine layers, two numbers a filter, this is the file but for its headers.
    n_floats = sum(w.size + 3 * b.size for w, b in convolutions) + last.size
    assert 0 < Path(weights).stat().st_size - 4 * n_floats < 10_000


def test_integers_as_dlib_packs_them():
    assert [_packed(v) for v in (1, 256, 4736)] == [b"\1\1", b"\2\0\1", b"\2\x80\x12"]


@pytest.mark.parametrize("keep", [0, 1000, 3_000_000])
def test_another_or_a_cut_file_is_refused(weights, tmp_path, keep):
    path = tmp_path / "cut.dat"
    with open(weights, "rb") as whole:
        path.write_bytes(whole.read(keep))
    with pytest.raises(InputError, match=r"cut\.dat: not dlib's face network"):
        to_onnx(path)
