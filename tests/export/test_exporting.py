"""Export: nothing is overwritten, and a file that does something else is not written."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")

from sfumato.cli import app, commands  # noqa: E402, F401
from sfumato.erasers.leace import LeaceEraser  # noqa: E402
from sfumato.errors import InputError, SfumatoError  # noqa: E402
from sfumato.export.exporting import export_model  # noqa: E402
from sfumato.export.parity import difference  # noqa: E402
from sfumato.models import save  # noqa: E402


@pytest.fixture
def model(tmp_path, rng):
    eraser = LeaceEraser().fit(rng.normal(size=(30, 4)), np.resize(["f", "m"], 30))
    save(eraser, tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_the_command_prints_json_and_keeps_what_is_there(model, tmp_path):
    output = tmp_path / "m.onnx"
    call = ["export", str(model), "-o", str(output)]
    done = CliRunner().invoke(app, [*call, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["inputs"] == {"embedding": ["N", 4]} and said["outputs"] == {"protected": ["N", 4]}
    assert said["opset"] == onnx.load(output).opset_import[0].version == 17
    assert 0 < said["difference"] < 1e-5 and said["n_bytes"] == output.stat().st_size
    before = output.read_bytes()
    refused = CliRunner().invoke(app, call)
    assert isinstance(refused.exception, InputError) and "--force" in str(refused.exception)
    assert output.read_bytes() == before
    again = CliRunner().invoke(app, [*call, "--force"])
    assert again.exit_code == 0 and "embedding (N, 4)" in again.stdout
    with pytest.raises(InputError, match="exists already"):
        export_model(model, output)


def test_a_file_that_does_something_else_is_not_written(model, tmp_path, monkeypatch):
    transform = LeaceEraser.transform
    monkeypatch.setattr(
        LeaceEraser, "transform", lambda self, X: transform(self, X) + 1e-4 * np.abs(X)
    )
    with pytest.raises(SfumatoError, match="differs from the method's by .* nothing was written"):
        export_model(model, tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        export_model(tmp_path / "none", tmp_path / "m.onnx")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(InputError, match="not a readable safetensors"):
        export_model(tmp_path / "text", tmp_path / "m.onnx")
    with pytest.raises(InputError, match="class must be one of"):
        export_model(object(), tmp_path / "m.onnx")


def test_difference_by_hand():
    # The greatest is 0.5, of 4: an eighth.
    assert difference(np.array([[1.0, 4.5]]), np.array([[1.0, 4.0]])) == 0.125
    assert difference(np.array([[0.5]]), np.array([[0.0]])) == 0.5
    assert difference(np.array([[np.nan]]), np.array([[0.0]])) == np.inf
    assert difference(np.zeros((1, 2)), np.zeros((1, 1))) == np.inf
    # Whole numbers are equal or not, but for the masked ones.
    assert difference(np.array([3, 4]), np.array([3, 4])) == 0
    assert difference(np.array([3, 5]), np.array([3, 4])) == np.inf
    assert difference(np.array([3, 5]), np.ma.masked_array([3, 4], [False, True])) == 0
