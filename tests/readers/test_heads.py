import importlib
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.estimator_checks import check_estimator

from sfumato.audit.removed_features import accuracy_without_features
from sfumato.data.planted import planted
from sfumato.data.splits import split_identities
from sfumato.errors import InputError
from sfumato.readers.heads import DomainAdaptationClassifier

pytest.importorskip("torch")
SMALL = {"n_units": 64, "n_epochs": 30}


@pytest.fixture
def moods(rng):
    names = np.array(["happy", "neutral", "sad"])
    y = names[rng.integers(3, size=600)]
    X = rng.normal(size=(600, 12)).astype(np.float32)
    X[:, :3] += 2.5 * (y[:, None] == names)
    return X, y


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_contract():
    small = {"n_units": 64, "n_epochs": 60, "batch_size": 32, "learning_rate": 1e-2}
    check_estimator(DomainAdaptationClassifier(**small))


def test_defaults_are_the_papers():
    assert DomainAdaptationClassifier().get_params() == {
        "n_units": 1024,
        "n_epochs": 150,
        "learning_rate": 1e-3,
        "batch_size": 128,
        "seed": 0,
    }


def test_reads_several_classes_of_unseen_rows(moods):
    X, y = moods
    reader = DomainAdaptationClassifier(**SMALL).fit(X[:400], y[:400])
    assert reader.classes_.tolist() == ["happy", "neutral", "sad"]
    assert balanced_accuracy_score(y[400:], reader.predict(X[400:])) > 0.75


@pytest.mark.parametrize("kind", ["linear", "variance"])
def test_reads_linear_and_other_leaks_on_unseen_people(kind):
    X, y, identity = planted(kind, n_identities=500)
    seen, unseen = split_identities(identity, 0.7)
    reader = DomainAdaptationClassifier(n_units=128, n_epochs=60).fit(X[seen], y[seen])
    assert balanced_accuracy_score(y[unseen], reader.predict(X[unseen])) > 0.63


def test_the_features_and_the_softmax_are_those_of_torch(moods):
    import torch

    X, y = moods
    reader = DomainAdaptationClassifier(**SMALL).fit(X, y)
    network = {name: torch.from_numpy(values) for name, values in reader.network_.items()}
    x = torch.nn.functional.normalize(torch.from_numpy(X))
    features = torch.relu(x @ network["weight_0"].T + network["bias_0"])
    logits = features @ network["weight_1"].T + network["bias_1"]
    assert reader.transform(X).shape == (600, 64)
    np.testing.assert_allclose(reader.transform(X), features.numpy(), atol=1e-5)
    np.testing.assert_allclose(reader.predict_proba(X), logits.softmax(1).numpy(), atol=1e-5)


def test_the_adapted_features_show_the_attribute_that_templates_hide(rng):
    # Fig. 3 of the Emotional-Blinded paper: x clusters by person, f_k(x) by emotion.
    def spread(X, y):
        between = np.var([X[y == value].mean(axis=0) for value in np.unique(y)], axis=0).sum()
        return between / X.var(axis=0).sum()

    X, y, identity = planted("linear", n_identities=1000, images_per_identity=2, n_features=32)
    X += rng.normal(size=(1000, 32))[identity]
    seen, unseen = split_identities(identity, 0.7)
    reader = DomainAdaptationClassifier(n_units=128, n_epochs=30).fit(X[seen], y[seen])
    assert spread(reader.transform(X[unseen]), y[unseen]) > 2 * spread(X[unseen], y[unseen])


def test_length_of_a_template_does_not_count(moods):
    X, y = moods
    reader = DomainAdaptationClassifier(**SMALL).fit(X, y)
    np.testing.assert_allclose(reader.predict_proba(7 * X), reader.predict_proba(X), atol=1e-5)


def test_seed_makes_the_reader_and_leaves_torchs_alone(moods):
    import torch

    X, y = moods
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again = (DomainAdaptationClassifier(**SMALL).fit(X, y) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(first.transform(X), again.transform(X))
    # One batch of all rows: only the start can differ.
    starts = [
        DomainAdaptationClassifier(n_units=8, n_epochs=1, batch_size=600, seed=seed).fit(X, y)
        for seed in (0, 1)
    ]
    assert np.abs(starts[0].transform(X) - starts[1].transform(X)).max() > 0.01


def test_types_progress_and_clone(moods):
    X, y = moods
    calls = []
    reader = DomainAdaptationClassifier(n_units=8, n_epochs=2)
    reader.fit(X, y, progress=lambda *call: calls.append(call[:2]))
    assert calls == [(1, 2), (2, 2)]
    assert reader.transform(X).dtype == reader.predict_proba(X).dtype == np.float32
    wide = X.astype(np.float64)
    assert reader.transform(wide).dtype == np.float64
    np.testing.assert_allclose(reader.transform(wide), reader.transform(X), atol=1e-5)
    assert not hasattr(clone(reader), "network_")


def test_prediction_needs_no_torch(moods, monkeypatch):
    X, y = moods
    reader = DomainAdaptationClassifier(n_units=8, n_epochs=1).fit(X, y)
    for name in [name for name in sys.modules if name.split(".")[0] == "torch"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError):
        importlib.import_module("torch")
    assert reader.predict_proba(X).shape == (600, 3)
    assert reader.transform(X).shape == (600, 8)


def test_one_class_is_refused(moods):
    X, y = moods
    with pytest.raises(InputError, match="y has 1 class, sad; at least 2 are needed"):
        DomainAdaptationClassifier().fit(X, ["sad"] * len(y))


def test_takes_part_in_the_removal_of_features(moods):
    X, y = moods
    reader = DomainAdaptationClassifier(n_units=32, n_epochs=30)
    found = accuracy_without_features(
        X, y, classifier=reader, removed=[0, 0.9], n_repeats=3, test_share=0.3
    )
    assert found.before.mean[0] > found.before.mean[1] + 0.2
