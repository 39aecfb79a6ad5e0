"""What the adversarially trained erasers have in common."""

import numpy as np
import pytest
from sklearn.model_selection import GroupShuffleSplit
from sklearn.svm import SVC

from sfumato.erasers._adversarial import scaled_rows
from sfumato.erasers.gradient_reversal import GradientReversalEraser
from sfumato.erasers.lntl import LearningNotToLearnEraser
from sfumato.erasers.maxent_arl import MaxEntArlEraser
from sfumato.erasers.pass_eraser import PassEraser
from sfumato.errors import InputError

torch = pytest.importorskip("torch")

TRAINED = {
    "lntl": LearningNotToLearnEraser(n_hidden=32, n_epochs=30, batch_size=64),
    "maxent-arl": MaxEntArlEraser(n_hidden=32, learning_rate=1e-3, n_epochs=30, batch_size=64),
    "gradient-reversal": GradientReversalEraser(
        n_hidden=32, learning_rate=1e-3, n_epochs=30, batch_size=64, reversal=3.0
    ),
    "pass": PassEraser(n_units=32, learning_rate=1e-3, n_epochs=30, batch_size=64),
}

# Keeping the template itself weighs more than keeping a few well separated people.
LOUDER = {"lntl": {"entropy_weight": 4.0}, "gradient-reversal": {"reversal": 100.0}}


def make(name, **parameters):
    return type(TRAINED[name])(**(TRAINED[name].get_params() | parameters))


def fast(name, **parameters):
    size = "n_units" if name == "pass" else "n_hidden"
    return make(name, **{"n_epochs": 1, size: 16, "batch_size": 64} | parameters)


def people(seed=0, n_people=200, n_each=5, d=16):
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(n_people), n_each)
    X = rng.normal(size=(n_people, d))[identity] + 0.2 * rng.normal(size=(len(identity), d))
    X[:, 0] += np.where(identity % 2 == 0, 2.0, -2.0)
    return X, np.where(identity % 2 == 0, "female", "male"), identity


def readable(X, y, identity):
    """Return the accuracy of a fresh non-linear attacker on people that it did not see."""
    train, test = next(GroupShuffleSplit(1, random_state=0).split(X, y, identity))
    scale = np.sqrt(X.shape[1])
    return SVC(C=3).fit(scale * X[train], y[train]).score(scale * X[test], y[test])


def neighbours_match(Z, identity):
    cosine = Z @ Z.T
    np.fill_diagonal(cosine, -np.inf)
    return np.mean(identity[cosine.argmax(axis=1)] == identity)


@pytest.mark.parametrize("kept", ["identity", "template"])
@pytest.mark.parametrize("name", TRAINED)
def test_a_fresh_attacker_reads_less_and_matching_stays(name, kept):
    X, y, identity = people()
    who = identity if kept == "identity" else None
    louder = LOUDER.get(name, {}) if kept == "template" else {}
    eraser = make(name, **louder).fit(X, y, identity=who)
    assert eraser.primary_task_ == kept
    Z, z, others = people(seed=1, n_people=400)
    raw = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    blind = eraser.transform(Z)
    before, after = readable(raw, z, others), readable(blind, z, others)
    # Over 3 seeds 0.97 +- 0.02 before, and after between 0.66 (lntl) and 0.75 (gradient reversal)
    # with deviations of 0.06 to 0.17. Gradient reversal that keeps the template leaves 0.9, of
    # which nothing is claimed.
    assert before > 0.85
    if (name, kept) != ("gradient-reversal", "template"):
        assert after < before, (before, after)
    assert neighbours_match(blind, others) > 0.9


@pytest.mark.parametrize("name", TRAINED)
def test_length_plays_no_part_and_the_output_has_length_one(name):
    X, y, identity = people(n_people=20)
    eraser = fast(name).fit(X, y, identity=identity)
    out = eraser.transform(X)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(eraser.transform(100 * X), out, atol=1e-6)
    assert np.isfinite(eraser.transform(np.zeros((1, X.shape[1])))).all()


@pytest.mark.parametrize("name", TRAINED)
def test_classes_take_the_place_of_identity(name):
    X, y, identity = people(n_people=40)
    smiling = np.arange(len(X)) % 2
    eraser = fast(name).fit(X, y, identity=identity, primary=smiling)
    assert eraser.primary_task_ == "classes"
    other = fast(name).fit(X, y, identity=identity)
    assert np.abs(eraser.transform(X) - other.transform(X)).max() > 1e-4


@pytest.mark.parametrize("name", TRAINED)
def test_several_attributes(name):
    X, y, identity = people(n_people=40)
    race = np.array(["a", "b", "c"])[identity % 3]
    eraser = fast(name).fit(X, np.column_stack([y, race]), identity=identity)
    one = fast(name).fit(X, y, identity=identity)
    assert np.abs(eraser.transform(X) - one.transform(X)).max() > 1e-4


@pytest.mark.parametrize("name", TRAINED)
def test_progress_and_the_global_seed(name):
    X, y, _ = people(n_people=20)
    state, calls = torch.random.get_rng_state(), []
    eraser = fast(name, n_epochs=2)
    eraser.fit(X, y, progress=lambda *call: calls.append(call))
    assert calls == [(1, 2, "epochs"), (2, 2, "epochs")]
    assert torch.equal(state, torch.random.get_rng_state())


def test_bad_labels_are_named():
    X, y, identity = people(n_people=20)
    with pytest.raises(InputError, match="identity must have one entry a row, 100, got 99"):
        fast("lntl").fit(X, y, identity=identity[:-1])
    with pytest.raises(InputError, match="primary needs at least 2 classes, got 1"):
        fast("lntl").fit(X, y, primary=np.ones(100, dtype=int))


def test_scaled_rows_by_hand():
    # (3, 4) has length 5; rows of two features shall have length sqrt(2).
    rows = scaled_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, np.array([[3.0, 4.0], [0.0, 0.0]]) * np.sqrt(2) / 5)
