"""A model's file is opened by what it holds, saved or exported."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from sfumato.data.info import TableInfo
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.models import SavedModel, files, load, registry, save


@pytest.fixture
def model(rng):
    X, y = rng.normal(size=(60, 5)), np.repeat(["female", "male"], 30)
    X[y == "male", 0] += 2
    return SavedModel(LeaceEraser().fit(X, y), ("gender",), TableInfo(encoder="e", dimension=5))


def test_saved_and_exported_it_does_the_same(model, tmp_path, rng):
    pytest.importorskip("onnx", reason="needs the extra export")
    pytest.importorskip("onnxruntime", reason="needs the extra export")
    from sfumato.export.exporting import export_model

    save(model, tmp_path / "m.safetensors")
    export_model(model, tmp_path / "m.onnx")
    X = rng.normal(size=(7, 5)).astype(np.float32)
    saved, exported = (load(tmp_path / name, "eraser") for name in ("m.safetensors", "m.onnx"))
    np.testing.assert_allclose(exported.eraser.transform(X), saved.eraser.transform(X), atol=1e-5)
    assert exported.fingerprint == saved.fingerprint and exported.attributes == ("gender",)
    with pytest.raises(InputError, match=r"m\.onnx: a model of kind eraser .*, not a pert"):
        load(tmp_path / "m.onnx", "perturber")
    with pytest.raises(InputError, match=r"m\.onnx: is exported already"):
        export_model(tmp_path / "m.onnx", tmp_path / "again.onnx")


def test_another_kind_is_refused(model, tmp_path):
    save(model, tmp_path / "m.safetensors")
    assert isinstance(load(tmp_path / "m.safetensors"), SavedModel)
    with pytest.raises(InputError, match=r"a model of kind eraser, not a pert"):
        load(tmp_path / "m.safetensors", "perturber")
    with pytest.raises(InputError, match=r"no\.onnx"):
        load(tmp_path / "no.onnx", "eraser")


def test_a_perturber_that_comes_along_is_opened_by_its_name(brighten, monkeypatch, tmp_path):
    monkeypatch.setitem(registry.PERTURBERS, "brighten", "brighten:BrightenPerturber")
    monkeypatch.setitem(files.FOLDERS, "perturber", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    method = brighten.BrightenPerturber(seed=5).fit()
    save(method, tmp_path / "weights" / "light.safetensors")
    for kind in (None, "perturber"):
        assert load("light", kind).seed == load(Path("light"), kind).seed == 5
    with pytest.raises(InputError, match=r"a model of kind perturber, not an eraser"):
        load("light", "eraser")
    with pytest.raises(
        InputError, match=r"dark: no such file, nor a bundled .* \(perturbers: light\)"
    ):
        load("dark", "perturber")
    # The user's own file of that name goes first.
    save(brighten.BrightenPerturber(seed=7).fit(), tmp_path / "light")
    assert load("light", "perturber").seed == 7


def test_a_name_of_nothing_lists_what_is_bundled():
    with pytest.raises(
        InputError, match=r"dark: .* \(erasers: gender; perturbers: .*; readers: dlib"
    ):
        load("dark")
    with pytest.raises(
        InputError, match=r"dark: no such file, nor a bundled model \(erasers: gender\)\.$"
    ):
        load("dark", "eraser")


def test_a_file_without_a_checksum_is_told(model, tmp_path, capsys):
    from sfumato.cli.opening import open_model

    save(model, tmp_path / "new")
    assert isinstance(open_model(tmp_path / "new", "eraser"), SavedModel)
    assert not capsys.readouterr().err
    with safe_open(tmp_path / "new", framework="numpy") as file:
        new = json.loads(file.metadata()["sfumato"])
    old = {k: v for k, v in new.items() if k not in ("kind", "sha256")} | {"format": 1}
    save_file(load_file(tmp_path / "new"), tmp_path / "old", {"sfumato": json.dumps(old)})
    open_model(tmp_path / "old")
    assert "old: format 1 has no checksum" in capsys.readouterr().err.replace("\n", "")


def test_a_saved_model_has_the_permissions_of_any_new_file(model, tmp_path):
    (tmp_path / "any").touch()
    save(model, tmp_path / "m.safetensors")
    modes = [(tmp_path / name).stat().st_mode for name in ("any", "m.safetensors")]
    assert modes[0] == modes[1]


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(InputError, match="is a folder; give the file of a model"):
        load(tmp_path)
