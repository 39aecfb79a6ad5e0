import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler, normalize

from sfumato.erasers.ive import IveEraser, eliminate
from sfumato.errors import InputError


def marked(rng, n, columns, n_features=12):
    """Draw a binary attribute that shifts some columns; lengths say nothing about it."""
    y = rng.permutation(np.arange(n) % 2)
    X = rng.normal(size=(n, n_features))
    X[:, columns] += np.where(y == 1, 1.5, -1.5)[:, None]
    return X, y


def attack(attacker, eraser, data, unseen):
    (X, y), (X_unseen, y_unseen) = data, unseen
    if eraser is not None:
        X, X_unseen = eraser.transform(X), eraser.transform(X_unseen)
    return balanced_accuracy_score(y_unseen, attacker.fit(X, y).predict(X_unseen))


def test_elimination_by_hand():
    # The second of two twins is worth nothing beside the first, and 5 alone.
    def rank(columns, codes, step):
        worth = {0: 1, 1: 5, 2: 0 if 1 in columns else 5, 3: 2}
        return np.array([worth[c] for c in columns])

    dropped = eliminate(rank, [(None, 1)], np.arange(4), n_steps=3)
    np.testing.assert_array_equal(dropped, [1, 2, 3])
    # Two a step: the twin looks harmless while the first is there.
    dropped = eliminate(rank, [(None, 2)], np.arange(4), n_steps=1)
    np.testing.assert_array_equal(dropped, [1, 3])


@given(st.lists(st.integers(0, 5), min_size=2, max_size=9), st.integers(1, 3), st.integers(1, 3))
def test_constant_importances_are_dropped_in_their_order(worth, n_steps, n_eliminations):
    worth = np.array(worth)
    dropped = eliminate(
        lambda columns, codes, step: worth[columns],
        [(None, n_eliminations)],
        np.arange(len(worth)),
        n_steps=n_steps,
    )
    # Ties go by column.
    expected = sorted(range(len(worth)), key=lambda c: (-worth[c], c))
    np.testing.assert_array_equal(dropped, expected[: n_steps * n_eliminations])


def test_steps_follow_a_naive_twin(rng):
    X, y = marked(rng, 200, [1, 4], n_features=8)
    Z = StandardScaler().fit_transform(normalize(X)).astype(np.float32)
    left, expected = list(range(8)), []
    for step in range(3):
        forest = RandomForestClassifier(30, random_state=7 + step).fit(Z[:, left], y)
        for _ in range(2):
            best = max(
                (c for c in left if c not in expected),
                key=lambda c: forest.feature_importances_[left.index(c)],
            )
            expected.append(best)
        left = [c for c in left if c not in expected]
    eraser = IveEraser(n_steps=3, n_eliminations=2, seed=7).fit(X, y)
    np.testing.assert_array_equal(eraser.eliminated_, expected)
    np.testing.assert_array_equal(eraser.kept_, left)


def test_output_is_the_kept_features_standardised(rng):
    X, y = marked(rng, 100, [0])
    eraser = IveEraser(n_steps=1, n_eliminations=2).fit(X, y)
    oracle = StandardScaler().fit_transform(normalize(X))[:, eraser.kept_]
    np.testing.assert_allclose(eraser.transform(X), oracle, atol=1e-12)
    assert oracle.shape == (100, 10)


@pytest.mark.parametrize(
    "attacker", [LogisticRegression(), RandomForestClassifier(random_state=0)]
)
def test_takes_out_marked_features(rng, attacker):
    data, unseen = marked(rng, 600, [3, 7]), marked(rng, 600, [3, 7])
    eraser = IveEraser(n_steps=2, n_eliminations=1).fit(*data)
    assert set(eraser.eliminated_) == {3, 7}
    assert attack(attacker, None, data, unseen) > 0.9
    assert attack(attacker, eraser, data, unseen) < 0.65


def test_a_leak_spread_over_all_features_stays(rng):
    # What the notes do not promise: half of the features still say it together.
    data, unseen = (marked(rng, 600, np.arange(12)) for _ in range(2))
    eraser = IveEraser(n_steps=6, n_eliminations=1).fit(*data)
    assert attack(LogisticRegression(), eraser, data, unseen) > 0.9


@settings(max_examples=10)
@given(st.floats(1e-3, 1e3))
def test_length_plays_no_part(scale):
    X, y = marked(np.random.default_rng(0), 60, [2])
    eraser = IveEraser(n_steps=1, n_trees=3).fit(X, y)
    other = IveEraser(n_steps=1, n_trees=3).fit(scale * X, y)
    np.testing.assert_array_equal(other.eliminated_, eraser.eliminated_)
    np.testing.assert_allclose(eraser.transform(scale * X), eraser.transform(X), atol=1e-9)


def test_several_attributes_are_crossed(rng):
    X = rng.normal(size=(600, 8))
    y = np.stack([np.where(X[:, 2] > 0, "f", "m"), np.where(X[:, 5] > 0, "old", "young")], axis=1)
    assert set(IveEraser(n_steps=2, n_eliminations=1).fit(X, y).eliminated_) == {2, 5}


def test_progress_counts_steps(rng):
    calls = []
    X, y = marked(rng, 60, [0])
    IveEraser(n_steps=2, n_trees=1).fit(X, y, progress=lambda *call: calls.append(call))
    assert calls == [(1, 2, "steps"), (2, 2, "steps")]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_steps": 3, "n_eliminations": 4}, "below the 12 that may .* n_features = 12, got 12"),
    ],
)
def test_bad_parameters(rng, parameters, message):
    with pytest.raises(InputError, match=message):
        IveEraser(**parameters).fit(*marked(rng, 40, [0]))
