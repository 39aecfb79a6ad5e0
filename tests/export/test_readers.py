"""Readers: probabilities, ages by every model, and the encoder that a file remembers."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")

from sfumato.data.info import TableInfo
from sfumato.errors import InputError
from sfumato.export.exporting import export_model
from sfumato.models.onnx_model import OnnxModel
from sfumato.models.onnx_running import open_onnx
from sfumato.readers.files import WEIGHTS
from sfumato.readers.tasks import AGE_MODELS, AgeTask, ClassTask
from sfumato.readers.templates import TemplateReader

AGES = (20, 21, 25, 40, 60)
N_LOGITS = {"ce": 5, "or": 8, "coral": 4, "corn": 4}


def made(model, n_layers=1):
    """Return an untrained reader of 6 features: three groups, and an age."""
    rng = np.random.default_rng(3)
    reader = TemplateReader(n_units=7, n_layers=n_layers, age_model=model)
    n = 7 if n_layers else 6
    reader.network_ = {
        "shift": rng.normal(size=6),
        "scale": rng.uniform(1, 2, size=6),
        "weight_0": rng.normal(size=(7, 6)),
        "bias_0": rng.normal(size=7),
        "group weight": rng.normal(size=(3, n)),
        "group bias": rng.normal(size=3),
        "age_years weight": rng.normal(size=(1 if model == "coral" else N_LOGITS[model], n)),
        "age_years bias": np.linspace(4, -1, N_LOGITS[model]),
    }
    reader.network_ = {name: v.astype(np.float32) for name, v in reader.network_.items()}
    age = AgeTask("age_years", AGES, model, temperature=1.5)
    reader.tasks_ = [ClassTask("group", ("a", "b", "c"), temperature=0.7), age]
    reader.n_features_in_ = 6
    return reader


@pytest.mark.parametrize("n_layers", [0, 1])
@pytest.mark.parametrize("model", AGE_MODELS)
def test_every_model_of_an_age(model, n_layers, tmp_path, rng):
    reader = made(model, n_layers)
    done = export_model(reader, tmp_path / "r.onnx")
    assert done["outputs"] == {"group": ["N", 3], "age_years": ["N", 5], "age_years_value": ["N"]}
    X = rng.normal(size=(200, 6)).astype(np.float32)
    found, expected = OnnxModel(tmp_path / "r.onnx").run({"embedding": X}), reader.read(X)
    for name, reading in expected.items():
        np.testing.assert_allclose(found[name], reading.probabilities, atol=1e-5)
    assert len(set(found["age_years_value"])) > 1
    np.testing.assert_array_equal(found["age_years_value"], expected["age_years"].label)
    opened = open_onnx(tmp_path / "r.onnx").read(X)
    for name, reading in expected.items():
        np.testing.assert_array_equal(opened[name].label, reading.label)
        np.testing.assert_allclose(opened[name].confidence, reading.confidence, atol=1e-5)
    low, high = opened["age_years"].interval()
    np.testing.assert_array_equal((low, high), expected["age_years"].interval())


def test_a_reader_refuses_other_templates(tmp_path):
    reader = made("coral")
    reader.about = {"encoder": "net / 1 / 6-d", "measured": {"long": "list"}}
    export_model(reader, tmp_path / "r.onnx")
    exported = OnnxModel(tmp_path / "r.onnx")
    assert exported.description["about"] == {"encoder": "net / 1 / 6-d"}
    exported.check(TableInfo(encoder="net", encoder_version="1", dimension=6), "t")
    with pytest.raises(InputError, match=r"t: embeddings of \[other / 1 / 6-d\] cannot"):
        exported.check(TableInfo(encoder="other", encoder_version="1", dimension=6), "t")
    with pytest.raises(InputError, match=r"of kind reader \(template-reader\), not an eraser"):
        exported.transform(np.ones((1, 6)))


def test_the_shipped_reader_of_templates(tmp_path):
    done = export_model(WEIGHTS / "dlib.safetensors", tmp_path / "r.onnx")
    assert done["difference"] <= 1e-5
    assert OnnxModel(tmp_path / "r.onnx").info.space == "dlib-resnet / 55533b28a958 / 128-d"


@pytest.mark.parametrize("n_channels, crop", [(3, None), (1, 64)])
def test_a_reader_of_pixels(n_channels, crop, tmp_path, rng):
    pytest.importorskip("torch", reason="needs the extra deep")
    from sfumato.readers.pixels import PixelReader, empty_net
    from sfumato.readers.recipes import Architecture

    small = {"widths": (4, 8, 8, 16), "n_blocks": (1, 1, 1, 1)}
    size = crop + 8 if crop else 64
    architecture = Architecture("iresnet", small, size=size, crop=crop, n_channels=n_channels)
    tasks = [ClassTask("group", ("a", "b", "c")), AgeTask("age_years", AGES, "or")]
    # Faces cut out larger than the network takes them: it scales them itself.
    reader = PixelReader(empty_net(architecture, tasks), tasks, {"crops": {"size": 81}})
    done = export_model(reader, tmp_path / "r.onnx")
    assert done["inputs"] == {"pictures": ["N", 81, 81, 3]}
    images = rng.integers(256, size=(5, 81, 81, 3)).astype(np.uint8)
    exported = OnnxModel(tmp_path / "r.onnx")
    found, expected = exported.run({"pictures": images}), reader.read(images)
    for name, reading in expected.items():
        np.testing.assert_allclose(found[name], reading.probabilities, atol=1e-5)
    with pytest.raises(InputError, match="takes pictures, no embeddings"):
        exported.check(TableInfo(), "t")
    with pytest.raises(InputError, match="pictures must be uint8, got float64"):
        exported.run({"pictures": images / 255})
