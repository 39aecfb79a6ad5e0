import numpy as np
import pytest
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.errors import InputError


def people(rng, n, *, d=24):
    """Draw two classes with one mean and other covariances: linear erasers see nothing."""
    y = rng.integers(2, size=n)
    scales = np.ones((2, d))
    scales[0, : d // 2], scales[1, d // 2 :] = 2.5, 2.5
    return rng.normal(size=(n, d)) * scales[y], y


def read(train, y_train, test, y_test):
    """Return what a quadratic and an RBF attacker read."""
    attackers = QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.05), SVC(C=3)
    return [
        balanced_accuracy_score(y_test, attacker.fit(train, y_train).predict(test))
        for attacker in attackers
    ]


def test_covariance_leak_goes(rng):
    (X, y), (A, a), (B, b) = (people(rng, n) for n in (6000, 2000, 2000))
    eraser = BarycentreEraser(n_steps=2).fit(X, y)
    unit = [Z / np.linalg.norm(Z, axis=1, keepdims=True) for Z in (A, B)]
    assert min(read(unit[0], a, unit[1], b)) > 0.9
    assert max(read(eraser.transform(A), a, eraser.transform(B), b)) < 0.6


def test_classes_get_one_mean_and_covariance(rng):
    X, y = people(rng, 6000)
    Z = BarycentreEraser(n_steps=2).fit(X, y).transform(X)
    first, second = (np.cov(Z[y == k].T) for k in (0, 1))
    raw = X / np.linalg.norm(X, axis=1, keepdims=True)
    gap = np.linalg.norm(np.cov(raw[y == 0].T) - np.cov(raw[y == 1].T))
    assert np.linalg.norm(first - second) < 0.15 * gap
    assert np.linalg.norm(Z[y == 0].mean(axis=0) - Z[y == 1].mean(axis=0)) < 0.05


def test_neighbours_within_a_class_stay(rng):
    X, y = people(rng, 4000)
    Z = BarycentreEraser(n_steps=1).fit(X, y).transform(X)
    raw = X / np.linalg.norm(X, axis=1, keepdims=True)
    rows = np.flatnonzero(y == 0)[:300]
    before, after = raw[rows] @ raw[rows].T, Z[rows] @ Z[rows].T
    upper = np.triu_indices(300, 1)
    assert np.corrcoef(before[upper], after[upper])[0, 1] > 0.75


def test_several_classes_and_crossed_attributes(rng):
    X, y = people(rng, 3000)
    other = rng.integers(3, size=3000)
    X[:, 0] += 4 * other
    eraser = BarycentreEraser(n_steps=2).fit(X, np.stack([y, other], axis=1))
    assert len(eraser.classes_) == 6
    A, a = people(rng, 1500)
    A[:, 0] += 4 * (other[:1500])
    Z = eraser.transform(A)
    half = slice(0, 750), slice(750, 1500)
    for labels in (a, other[:1500]):
        raw, erased = (
            read(V[half[0]], labels[half[0]], V[half[1]], labels[half[1]])[1] for V in (A, Z)
        )
        chance = 1 / len(np.unique(labels))
        assert raw > chance + 0.3
        assert erased - chance < 0.5 * (raw - chance)


def test_context_holds_in_another_mix(rng):
    def mixed(n, share):
        X, y = people(rng, n)
        young = np.where(rng.random(n) < share, y, 1 - y)
        X[:, -1] = rng.normal(size=n) + 6 * (young - 0.5)
        return X, y, young

    X, y, young = mixed(6000, 0.55)
    A, a, _ = mixed(2000, 0.9)  # here the class goes with youth
    B, b, _ = mixed(2000, 0.9)
    plain = BarycentreEraser(n_steps=2).fit(X, y)
    held = BarycentreEraser(n_steps=2, budget=0.2).fit(X, y, context=young[:, None])
    assert read(plain.transform(A), a, plain.transform(B), b)[1] > 0.75
    assert read(held.transform(A), a, held.transform(B), b)[1] < 0.65
    assert held.n_directions_ > 0
    assert np.linalg.matrix_rank(held.transform(A), tol=1e-6) == 24 - held.n_directions_


def test_a_few_hundred_rows_fit_without_a_warning(rng):
    BarycentreEraser(n_steps=1).fit(*people(rng, 450))


def test_people_come_closer_where_identity_is_given(rng):
    who = np.repeat(np.arange(1500), 3)
    X, y = people(rng, 1500)
    X, y = X[who], y[who]
    X[:, :2] += rng.normal(size=(4500, 2)) * 4  # the same nuisance for everybody
    Z, W = (
        BarycentreEraser(n_steps=1, within=within).fit(X, y, identity=who).transform(X)
        for within in (None, 0.1)
    )
    genuine = [np.mean(np.vecdot(V[0::3], V[1::3])) for V in (Z, W)]
    assert genuine[1] > genuine[0] + 0.05


def test_bad_input_is_refused(rng):
    X, y = people(rng, 50)
    with pytest.raises(InputError, match="context must have one entry a row, 50"):
        BarycentreEraser().fit(X, y, context=y[:7, None])
    with pytest.raises(InputError, match="y needs at least 2 classes"):
        BarycentreEraser().fit(X, np.zeros(50))
