"""What a paired attacker restores, against what is known to be restorable."""

import numpy as np
import pytest

from sfumato import simulate
from sfumato.audit._restoring import train_restorer
from sfumato.metrics.comparators import comparator

FACES = simulate(120, 4, seed=3)
X, WHO = FACES["embedding"], FACES["identity"]
TRAIN = np.isin(WHO, np.unique(WHO)[:80])


def score(restored, raw, metric="cosine"):
    found = comparator(metric)
    return float(found.pairs(found.prepare(restored), found.prepare(raw)).mean())


def learn(protected, **options):
    restorer = train_restorer(protected[TRAIN], X[TRAIN], WHO[TRAIN], **options)
    return restorer, score(restorer.restore(protected[~TRAIN]), X[~TRAIN])


def test_a_turned_template_is_restored_to_its_last_digit():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(128, 128)))[0]
    restorer, found = learn((X @ rotation).astype(np.float32))
    assert restorer.name == "ridge"
    assert found > 0.999
    assert restorer.restore((X @ rotation)[:3]).dtype == np.float32


def test_ridge_is_the_textbooks():
    # The normal equations of centred, scaled features, written out.
    protected = X[:, :127].astype(np.float64)
    restorer, _ = learn(protected)
    assert restorer.name == "ridge"
    A, mean = protected[TRAIN], X[TRAIN].mean(axis=0)
    A, B = ((part - A.mean(axis=0)) / A.std(axis=0) for part in (A, protected[~TRAIN]))
    gram = A.T @ A + restorer.parameters["alpha"] * np.eye(127)
    expected = B @ np.linalg.solve(gram, A.T @ (X[TRAIN] - mean)) + mean
    np.testing.assert_allclose(restorer.restore(protected[~TRAIN]), expected, atol=1e-4)


def test_nothing_is_restored_from_noise():
    noise = np.random.default_rng(1).normal(size=X.shape)
    mean = np.broadcast_to(X[TRAIN].mean(axis=0), X[~TRAIN].shape)
    restorer, found = learn(noise)
    assert found < score(mean, X[~TRAIN]) + 0.02
    assert restorer.validation < 0.2


def test_the_kernel_follows_where_no_line_does():
    # z**2 and z**3 of a complex number z of length 1: z is their quotient, and uncorrelated with
    # both.
    rng = np.random.default_rng(2)
    raw = rng.uniform(-1, 1, size=(600, 2))
    angle = np.arctan2(*raw.T)
    protected = np.column_stack([part(n * angle) for n in (2, 3) for part in (np.cos, np.sin)])
    who = np.arange(600)
    restorer = train_restorer(protected[:500], raw[:500], who[:500], metric="cosine")
    assert restorer.name == "kernel ridge"
    assert score(restorer.restore(protected[500:]), raw[500:]) > 0.9


def test_validation_is_the_score_of_people_held_out():
    # One template a person: only who knows the person restores it, so that rows shared by fit
    # and validation would score 1.
    rng = np.random.default_rng(4)
    protected = rng.normal(size=(80, 30))[np.unique(WHO[TRAIN], return_inverse=True)[1]]
    restorer = train_restorer(protected, X[TRAIN], WHO[TRAIN])
    assert restorer.validation < 0.3


def test_categories_come_back_as_categories():
    raw = (X > 0).astype(np.float64)
    restorer = train_restorer(X[TRAIN], raw[TRAIN], WHO[TRAIN], metric="agreement")
    restored = restorer.restore(X[~TRAIN])
    assert set(np.unique(restored)) <= {0, 1, 2}
    assert score(restored, raw[~TRAIN], "agreement") > 0.75


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_same_seed_restores_the_same(metric):
    first, second = (
        train_restorer(X[TRAIN] ** 3, X[TRAIN], WHO[TRAIN], metric=metric, seed=5)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.restore(X[:9] ** 3), second.restore(X[:9] ** 3))


def test_a_singular_kernel_is_solved_without_a_warning(monkeypatch):
    # Warnings are errors: rows that come twice make the kernel matrix singular but for its ridge,
    # which float32 loses.
    monkeypatch.setattr("sfumato.audit._restoring.KERNEL_STRENGTHS", (1e-6,))
    rows, who = np.repeat(X[:200], 2, axis=0), np.repeat(WHO[:200], 2)
    assert train_restorer(rows, rows, who).validation > 0.9
