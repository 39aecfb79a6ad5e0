"""The reader on templates: it learns, gaps in labels are no labels, NumPy does what torch does."""

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.readers.templates import TemplateReader

torch = pytest.importorskip("torch", reason="needs the extra deep")

N, D = 1500, 12


def draw(seed, n):
    """Return templates whose features tell gender, age and one of three groups."""
    rng = np.random.default_rng(seed)
    gender, age, group = (rng.integers(*ends, size=n) for ends in ((0, 2), (20, 60), (0, 3)))
    X = rng.normal(size=(n, D))
    X[:, 0] += 4 * gender
    X[:, 1] = 100 + 5 * (age - 40) + 3 * X[:, 1]
    X[np.arange(n), 2 + group] += 5
    labels = {
        "gender": np.array(["female", "male"])[gender].astype(object),
        "age_years": age.astype(object),
        "group": np.array(["a", "b", "c"])[group].astype(object),
    }
    return X.astype(np.float32), labels


@pytest.fixture(scope="module")
def faces():
    return draw(0, N)


@pytest.fixture(scope="module")
def reader(faces):
    X, labels = faces
    labels = {name: values.copy() for name, values in labels.items()}
    labels["gender"][:400] = None
    labels["age_years"][300:700] = None
    return TemplateReader(n_units=64, n_epochs=30, learning_rate=3e-3).fit(X, labels)


def test_reads_every_attribute_of_rows_it_did_not_see(reader):
    X, labels = draw(1, 300)
    found = reader.read(X)
    assert (found["gender"].label == labels["gender"]).mean() > 0.85
    assert (found["group"].label == labels["group"]).mean() > 0.9
    age = labels["age_years"].astype(int)
    assert np.abs(found["age_years"].label - age).mean() < 4  # 10 for always saying 40
    low, high = found["age_years"].interval(0.9)
    assert ((low <= age) & (age <= high)).mean() > 0.8
    assert (high - low).mean() < 30  # 36 for saying nothing


@pytest.mark.parametrize("model", ["ce", "or", "coral", "corn"])
def test_numpy_reads_as_the_network_does(faces, model, monkeypatch):
    from sfumato.readers import _templates_training
    from sfumato.readers.tasks import reading_of

    X, labels = faces
    nets = []
    arrays = _templates_training._arrays
    monkeypatch.setattr(
        _templates_training, "_arrays", lambda net: nets.append(net) or arrays(net)
    )
    reader = TemplateReader(n_units=8, n_epochs=1, age_model=model).fit(X, labels)
    with torch.no_grad():
        logits = nets[0](torch.from_numpy(X[:50]))
    for task in reader.tasks_:
        expected = reading_of(task, logits[task.name].numpy().astype(float))
        found = reader.read(X[:50])[task.name]
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)


def test_a_linear_reader_and_the_seed(faces):
    X, labels = faces
    options = {"n_layers": 0, "n_epochs": 2}
    first, again, other = (
        TemplateReader(seed=seed, **options).fit(X, labels).network_ for seed in (1, 1, 2)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["gender weight"], other["gender weight"])
    assert "weight_0" not in first


def test_coral_starts_at_the_frequencies_and_never_contradicts_itself(reader, faces):
    from sfumato.metrics.ordinal import n_inconsistencies

    levels = reader.read(faces[0])["age_years"].levels
    assert n_inconsistencies(levels).sum() == 0
    assert (np.diff(reader.network_["age_years bias"]) < 0).all()


@pytest.mark.parametrize("model", ["ce", "or", "coral", "corn"])
def test_start_tells_the_frequencies(model):
    from sfumato.nets.multitask import LAYERS
    from sfumato.readers._training import start_at_frequencies
    from sfumato.readers.tasks import AgeTask, reading_of

    task = AgeTask("age_years", (20, 21, 25, 26), model=model)
    codes = np.repeat([0, 1, 2, 3, -1], [4000, 3000, 2000, 1000, 500])
    layer = LAYERS[model](3, 4)
    start_at_frequencies(layer, task, codes)
    logits = layer(torch.zeros(1, 3)).detach().numpy().astype(float)
    found = reading_of(task, logits).probabilities[0]
    np.testing.assert_allclose(found, [0.4, 0.3, 0.2, 0.1], atol=1e-3)


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ({}, "at least one attribute"),
        ({"gender": ["x"] * 3}, "gender must have one label a row, 1500, got 3"),
        ({"gender": ["x"] * N}, "gender needs at least 2 classes"),
    ],
)
def test_bad_labels(faces, labels, what):
    with pytest.raises(InputError, match=what):
        TemplateReader().fit(faces[0], labels)


def test_saved_and_loaded_it_reads_the_same_without_torch(reader, faces, tmp_path):
    from sfumato.models import load, save

    save(reader, tmp_path / "r.safetensors", about={"encoder": "drawn"})
    again = load(tmp_path / "r.safetensors")
    assert again.about == {"encoder": "drawn"}
    X = faces[0][:200]
    for name, found in reader.read(X).items():
        other = again.read(X)[name]
        np.testing.assert_allclose(other.probabilities, found.probabilities, atol=0.02)
        assert (other.label == found.label).mean() > 0.95


def test_ages_intervals_hold_about_what_they_say(reader):
    X, labels = draw(3, 2000)
    age = labels["age_years"].astype(int)
    for share in (0.5, 0.9):
        low, high = reader.read(X)["age_years"].interval(share)
        held = ((low <= age) & (age <= high)).mean()
        assert share - 0.15 < held < share + 0.2
