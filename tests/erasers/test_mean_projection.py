import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from sfumato.data.planted import planted
from sfumato.erasers.leace import LeaceEraser
from sfumato.erasers.mean_projection import MeanProjectionEraser
from sfumato.errors import InputError


def class_means(X, y):
    return np.stack([X[y == k].mean(axis=0) for k in np.unique(y)])


def test_by_hand():
    # Means (1, 0) and (4, 4): the direction is (3, 4) / 5. The row (5, 10) has 11 along it,
    # so (5, 10) - 11 * (0.6, 0.8) = (-1.6, 1.2) stays.
    eraser = MeanProjectionEraser().fit([[0, 0], [2, 0], [4, 3], [4, 5]], [0, 0, 1, 1])
    np.testing.assert_allclose(np.abs(eraser.basis_), [[0.6, 0.8]], atol=1e-12)
    np.testing.assert_allclose(eraser.transform([[5.0, 10.0]]), [[-1.6, 1.2]], atol=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 8), st.floats(0, 1e4))
def test_means_meet_by_an_orthogonal_projection(seed, n_classes, d, offset):
    rng = np.random.default_rng(seed)
    y = np.arange(60) % n_classes
    X = rng.normal(size=(60, d)) + rng.normal(size=(n_classes, d))[y] + offset
    eraser = MeanProjectionEraser().fit(X, y)
    erased, basis = eraser.transform(X), eraser.basis_
    means = class_means(erased, y)
    np.testing.assert_allclose(means, np.broadcast_to(means[0], means.shape), atol=1e-7)
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-9)
    assert len(basis) == min(n_classes - 1, d)
    np.testing.assert_allclose(eraser.transform(erased), erased, atol=1e-7)


def test_equals_leace_about_the_mean_where_the_rows_are_white(rng):
    y = np.arange(300) % 3
    X = rng.normal(size=(300, 6)) + np.eye(3, 6)[y]
    X -= X.mean(axis=0)
    X = np.linalg.qr(X)[0] * np.sqrt(300)  # Covariance I.
    ours = MeanProjectionEraser().fit(X, y).transform(X)
    np.testing.assert_allclose(ours, LeaceEraser().fit(X, y).transform(X), atol=1e-9)


def test_every_crossed_group_has_the_same_mean(rng):
    y = rng.integers(0, [2, 3], size=(600, 2))
    group = y[:, 0] * 3 + y[:, 1]
    X = rng.normal(size=(600, 9)) + rng.normal(size=(6, 9))[group]
    assert np.ptp(class_means(X, group), axis=0).max() > 0.5
    erased = MeanProjectionEraser().fit(X, y).transform(X)
    assert np.ptp(class_means(erased, group), axis=0).max() < 1e-9


def test_equal_means_take_nothing_out():
    X = np.array([[1e3, 1.0], [-1e3, 1.0], [1e3, 1.0], [-1e3, 1.0]])
    assert MeanProjectionEraser().fit(X, [0, 0, 1, 1]).basis_.shape == (0, 2)


def attack(estimator, X, y, identity, eraser):
    """Fit on a third of the people, attack with another, report on the last."""
    part = identity % 3
    eraser.fit(X[part == 0], y[part == 0])
    seen = eraser.transform(X)
    estimator.fit(seen[part == 1], y[part == 1])
    return balanced_accuracy_score(y[part == 2], estimator.predict(seen[part == 2]))


def test_linear_leak_goes_and_a_curved_one_stays():
    X, y, identity = planted("linear", n_identities=1200)
    eraser, linear = MeanProjectionEraser(), LogisticRegression(max_iter=1000)
    before = linear.fit(X[identity % 3 == 1], y[identity % 3 == 1]).predict(X[identity % 3 == 2])
    assert balanced_accuracy_score(y[identity % 3 == 2], before) > 0.75
    assert attack(linear, X, y, identity, eraser) < 0.63
    X, y, identity = planted("variance", n_identities=1200)
    assert attack(SVC(), X, y, identity, eraser) > 0.65


def test_one_class_is_refused():
    with pytest.raises(InputError, match="y needs at least 2 classes"):
        MeanProjectionEraser().fit(np.eye(3), ["f"] * 3)
