import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC, LinearSVC

from sfumato.data.planted import planted
from sfumato.erasers.inlp import InlpEraser


def test_first_direction_is_that_of_a_slow_twin(rng):
    # Weighted logistic loss plus half the squared norm, minimised by a general optimiser.
    X = rng.normal(size=(90, 3)) * [1, 2, 3]
    y = (X[:, 0] + X[:, 1] + rng.normal(size=90) > 1).astype(int)
    scaled = (X - X.mean(axis=0)) / np.sqrt(np.mean((X - X.mean(axis=0)) ** 2))
    weight = np.where(y == 1, 90 / (2 * y.sum()), 90 / (2 * (90 - y.sum())))

    def loss(w):
        margin = (2 * y - 1) * (scaled @ w[:3] + w[3])
        return weight @ np.logaddexp(0, -margin) + w[:3] @ w[:3] / 2

    w = minimize(loss, np.zeros(4), tol=1e-10).x[:3]
    basis = InlpEraser(n_iterations=1).fit(X, y).basis_
    np.testing.assert_allclose(np.abs(basis @ w), [np.linalg.norm(w)], rtol=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 3))
@example(295, 2, 3)  # A classifier below chance does not stop it.
def test_each_classifier_takes_its_row_space(seed, n_classes, n_iterations):
    rng = np.random.default_rng(seed)
    y = np.arange(80) % n_classes
    X = rng.normal(size=(80, 12)) + rng.normal(size=(n_classes, 12))[y]
    eraser = InlpEraser(n_iterations=n_iterations, margin=0).fit(X, y)
    basis = eraser.basis_
    assert len(basis) == len(eraser.accuracies_) * (n_classes - 1)
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-9)
    erased = eraser.transform(X)
    np.testing.assert_allclose(erased @ basis.T, 0, atol=1e-9)
    np.testing.assert_allclose(eraser.transform(erased), erased, atol=1e-9)
    # The next classifier's directions contain those taken before.
    more = InlpEraser(n_iterations=n_iterations + 1, margin=0).fit(X, y).basis_
    np.testing.assert_allclose(basis @ more.T @ more, basis, atol=1e-7)


def test_stops_at_chance(rng):
    X, y, _ = planted("linear", n_identities=400)
    eraser = InlpEraser().fit(X, y)
    accuracies = eraser.accuracies_
    assert 1 < len(accuracies) < 16 and len(eraser.basis_) == len(accuracies) - 1
    assert accuracies[0] > 0.75 and accuracies[-1] < 0.5015 < accuracies[:-1].min()


def test_nothing_left_to_take():
    X = np.repeat([[1.0], [-1.0]], 10, axis=0)
    eraser = InlpEraser(margin=0).fit(X, np.repeat([0, 1], 10))
    np.testing.assert_allclose(eraser.basis_**2, [[1]])


def test_several_attributes_are_crossed(rng):
    y = rng.integers(0, 2, size=(600, 2))
    X = rng.normal(size=(600, 8))
    X[:, 0] += 3 * y[:, 0]
    X[:, 1] += 3 * y[:, 1]
    X[:, 2] += 3 * (y[:, 0] == y[:, 1])
    erased = InlpEraser().fit_transform(X, y)
    both = y[:, 0] == y[:, 1]
    for labels in (y[:, 0], y[:, 1], both):
        attacker = LogisticRegression()
        assert attacker.fit(X, labels).score(X, labels) > 0.85
        assert attacker.fit(erased, labels).score(erased, labels) < 0.65


def attack(estimator, X, y, identity, eraser):
    """Fit on a third of the people, attack with another, report on the last."""
    part = identity % 3
    seen = eraser.fit(X[part == 0], y[part == 0]).transform(X)
    estimator.fit(seen[part == 1], y[part == 1])
    return balanced_accuracy_score(y[part == 2], estimator.predict(seen[part == 2]))


@pytest.mark.parametrize("linear", [LogisticRegression(max_iter=1000), LinearSVC(dual=False)])
def test_linear_leak_goes(linear):
    X, y, identity = planted("linear", n_identities=1200)
    part = identity % 3
    linear.fit(X[part == 1], y[part == 1])
    assert balanced_accuracy_score(y[part == 2], linear.predict(X[part == 2])) > 0.75
    assert attack(linear, X, y, identity, InlpEraser(n_iterations=5)) < 0.63


def test_a_curved_leak_stays():
    X, y, identity = planted("variance", n_identities=1200)
    assert attack(SVC(), X, y, identity, InlpEraser(n_iterations=5)) > 0.65


def test_progress_is_reported():
    X, y, _ = planted("linear", n_identities=50)
    calls = []
    InlpEraser(n_iterations=2, margin=0).fit(X, y, progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(1, 2), (2, 2)]
