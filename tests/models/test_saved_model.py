import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from sfumato.data.info import TableInfo
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.models import SavedModel, load, save

INFO = TableInfo(source="lfw", encoder="net", encoder_version="1", dimension=3)


@pytest.fixture
def eraser(rng):
    return LeaceEraser(rtol=1e-4).fit(rng.normal(size=(20, 3)), np.arange(20) % 2)


def test_everything_comes_back(eraser, tmp_path):
    model = SavedModel(eraser, ("gender", "race"), INFO, {"source": "lfw", "rows": "all rows"})
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert (loaded.attributes, loaded.info, loaded.fitted_on) == (
        model.attributes,
        INFO,
        model.fitted_on,
    )
    assert loaded.eraser.rtol == 1e-4 and loaded.eraser.n_features_in_ == 3
    assert loaded.step == model.step


def test_the_file_is_plain_safetensors_with_json(eraser, tmp_path):
    save(eraser, tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        description = json.loads(file.metadata()["sfumato"])
        assert set(file.keys()) == {"mean_", "coefficients_", "updates_"}
    assert description["method"] == "leace" and description["format"] == 2


def test_fingerprint_follows_the_arrays(eraser, rng):
    other = LeaceEraser().fit(rng.normal(size=(20, 3)), np.arange(20) % 2)
    assert SavedModel(eraser).fingerprint == SavedModel(eraser, ("x",), INFO).fingerprint
    assert SavedModel(eraser).fingerprint != SavedModel(other).fingerprint


def test_a_table_of_another_encoder_is_refused(eraser):
    model = SavedModel(eraser, ("gender",), INFO)
    model.check(INFO, "t.parquet")
    for other in (
        replace(INFO, encoder="dlib"),
        replace(INFO, encoder_version="2"),
        replace(INFO, dimension=4),
        INFO.transformed(model.step, dimension=3, normalisation="none"),
    ):
        with pytest.raises(
            InputError, match="t.parquet: embeddings of .* cannot go through leace"
        ):
            model.check(other, "t.parquet")


def test_unfitted_is_refused(tmp_path):
    with pytest.raises(InputError, match="LeaceEraser is not fitted"):
        save(LeaceEraser(), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_bad_files_are_refused(tmp_path, eraser):
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load(tmp_path / "text")
    save_file({"x": np.ones(2)}, tmp_path / "foreign")
    with pytest.raises(InputError, match="not one that sfumato saved"):
        load(tmp_path / "foreign")
    save_file({"x": np.ones(2)}, tmp_path / "new", metadata={"sfumato": '{"format": 9}'})
    with pytest.raises(InputError, match="model format 9, this version reads 1 and 2"):
        load(tmp_path / "new")


def test_a_failed_write_leaves_the_old_model(eraser, tmp_path, monkeypatch):
    save(eraser, tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    monkeypatch.setattr("sfumato.data.saved.tensor_bytes", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(eraser, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_half_precision_is_a_quarter_of_the_file_and_computes_in_double(rng, tmp_path):
    X = rng.normal(size=(400, 64))
    eraser = LeaceEraser().fit(X, np.arange(400) % 2)
    save(eraser, tmp_path / "whole")
    save(SavedModel(eraser, ("gender",), INFO), tmp_path / "half", half=True)
    assert (tmp_path / "half").stat().st_size < 0.5 * (tmp_path / "whole").stat().st_size
    found = load(tmp_path / "half")
    assert found.eraser.mean_.dtype == np.float64 and found.attributes == ("gender",)
    np.testing.assert_allclose(found.eraser.transform(X), eraser.transform(X), atol=5e-3)
    # What was read is what is kept: another reading, or another saving, has its fingerprint.
    save(found, tmp_path / "again", half=True)
    assert load(tmp_path / "again").fingerprint == found.fingerprint
    assert found.fingerprint != SavedModel(eraser).fingerprint


def test_a_number_too_large_for_half_precision_is_refused(rng, tmp_path):
    eraser = LeaceEraser().fit(1e6 * rng.normal(size=(20, 3)) + 1e7, np.arange(20) % 2)
    with pytest.raises(InputError, match="'mean_' has a NaN or infinite value"):
        save(eraser, tmp_path / "m", half=True)
