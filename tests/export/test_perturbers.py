"""Perturbers: sequences, averages and groups of prototypes; bad class numbers."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")
pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")

from sfumato.errors import InputError  # noqa: E402
from sfumato.export.exporting import export_model  # noqa: E402
from sfumato.models import save  # noqa: E402
from sfumato.models.onnx_model import OnnxModel  # noqa: E402
from sfumato.models.onnx_running import open_onnx  # noqa: E402
from sfumato.nets.san import AuxiliaryNet, SanAutoencoder  # noqa: E402
from sfumato.perturbers.flowsan import FlowSan  # noqa: E402
from sfumato.perturbers.privacynet import PrivacyNetPerturber  # noqa: E402
from sfumato.perturbers.recipes import PerturberRecipe  # noqa: E402
from sfumato.perturbers.san_ensemble import SanEnsemble  # noqa: E402
from sfumato.perturbers.san_output import arrays_of  # noqa: E402

SAN = {"widths": [4, 4, 8, 8], "classifier_widths": [4, 8]}


def untrained(method, n_groups=1):
    """Return a perturber of two SANs with random weights."""
    rng = np.random.default_rng(0)
    method.nets_, method.classifiers_ = {}, {}
    for k in range(2):
        method.nets_ |= arrays_of(SanAutoencoder(SAN["widths"]), f"{k}/")
        method.classifiers_ |= arrays_of(AuxiliaryNet(16, 2, [4, 8]), f"{k}/")
    method.prototypes_ = rng.random((n_groups, 3, 3, 16, 16), dtype=np.float32)
    method.attributes_, method.size_ = {"gender": ["female", "male"]}, 16
    method.groups_, method.group_reader_ = [f"group {k}" for k in range(n_groups)], {}
    if n_groups > 1:
        method.group_reader_ = arrays_of(AuxiliaryNet(16, n_groups, [4, 8]))
    return method


@pytest.mark.parametrize(
    "method",
    [
        untrained(FlowSan(size=16, n_steps=2, san=SAN)),
        untrained(FlowSan(size=16, n_steps=2, length=1, san=SAN)),
        untrained(SanEnsemble(size=16, n_sans=2, san=SAN, selection="average")),
        untrained(SanEnsemble(size=16, n_sans=2, san=SAN, selection="average"), 3),
    ],
    ids=["flow", "short flow", "mean", "groups"],
)
def test_it_shows_what_the_method_shows(method, tmp_path, rng):
    export_model(method, tmp_path / "p.onnx")
    images = rng.random((7, 3, 16, 16), dtype=np.float32)
    now = np.resize([0, 1], 7)
    labels = {"gender": np.array(["female", "male"])[now]}
    exported = OnnxModel(tmp_path / "p.onnx")
    outputs = []
    for number, shown in enumerate(method.shown_["gender"]):
        codes = {"then": np.full((7, 1), number), "now": now[:, None]}
        found = exported.run({"pictures": images, **codes}, chunk_rows=3)["protected"]
        expected = method.transform(images, hide={"gender": shown}, labels=labels)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        outputs.append(found)
    # Without labels both see the classes themselves; sent to a worker, too.
    opened = pickle.loads(pickle.dumps(open_onnx(tmp_path / "p.onnx")))
    assert (opened.seed, opened.shown_) == (method.seed, method.shown_)
    found, expected = (
        each.transform(images, hide="gender", at_random=True, seed=3) for each in (opened, method)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3
    assert exported.description["attributes"] == method.shown_


def test_what_was_saved_about_it_goes_along_and_bad_codes_are_refused(tmp_path):
    save(untrained(FlowSan(size=16, n_steps=2, san=SAN)), tmp_path / "p", about={"data": "drawn"})
    export_model(tmp_path / "p", tmp_path / "p.onnx")
    exported = OnnxModel(tmp_path / "p.onnx")
    assert exported.description["about"] == {"data": "drawn"}
    pictures = np.zeros((2, 3, 16, 16), np.float32)
    for then, now in (
        ([[3], [0]], [[0], [0]]),
        ([[0], [0]], [[2], [0]]),
        ([[-1], [0]], [[0]] * 2),
    ):
        with pytest.raises(InputError, match="must hold class numbers from 0"):
            exported.run({"pictures": pictures, "then": then, "now": now})
    with pytest.raises(InputError, match="one number of rows"):
        exported.run({"pictures": pictures, "then": [[0]], "now": [[0], [0]]})


@pytest.mark.parametrize("selection", ["random", "gibbs"])
def test_a_drawn_san_is_refused(selection, tmp_path):
    method = untrained(SanEnsemble(size=16, n_sans=2, san=SAN, selection=selection))
    with pytest.raises(InputError, match=f"selection='{selection}' has no ONNX form"):
        export_model(method, tmp_path / "p.onnx")


def test_a_privacynet_of_one_attribute(tmp_path, rng):
    images = rng.random((6, 3, 32, 32), dtype=np.float32)
    labels = {"gender": np.resize(["female", "male"], 6)}
    method = PrivacyNetPerturber(size=32, width=4, strength=0.7)
    method.fit(images, labels, recipe=PerturberRecipe(1, 2, n_rounds=1))
    export_model(method, tmp_path / "p.onnx")
    found = OnnxModel(tmp_path / "p.onnx").run({"pictures": images, "then": np.ones((6, 1), int)})
    expected = method.transform(images, hide={"gender": "male"})
    np.testing.assert_allclose(found["protected"], expected, atol=1e-5)


def test_who_reads_what_a_face_shows_goes_along(tmp_path, rng, monkeypatch):
    images = rng.random((6, 3, 32, 32), dtype=np.float32)
    labels = {"gender": np.resize(["female", "male"], 6)}
    method = PrivacyNetPerturber(size=32, width=4, labeller="reader")
    method.fit(images, labels, recipe=PerturberRecipe(1, 2, n_rounds=1))
    export_model(method, tmp_path / "p.onnx")
    opened = open_onnx(tmp_path / "p.onnx")
    torch_images = torch.from_numpy(images)
    for read in (np.zeros, np.ones):
        codes = {"gender": read(6, int)}
        monkeypatch.setattr("sfumato.perturbers._labels.read_codes", lambda x, names, c=codes: c)
        assert opened._read(torch_images) == method._read(torch_images) == codes
    found, expected = (each.transform(images, hide="gender") for each in (opened, method))
    np.testing.assert_allclose(found, expected, atol=1e-5)
