import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.audit.protocol import audit
from sfumato.data.planted import planted
from sfumato.erasers.negative_face import NegativeFaceEraser
from sfumato.metrics.scores import pair_scores


@given(st.integers(1, 9), st.integers(2, 9), st.integers(0, 2**32))
def test_no_entry_is_the_positive_one(n_features, n_bins, seed):
    X = np.random.default_rng(0).normal(size=(20, n_features))
    eraser = NegativeFaceEraser(n_units=7, n_bins=n_bins, seed=seed).fit(X)
    negative, positive = eraser.transform(X), eraser.probe(X)
    assert negative.shape == positive.shape == (20, 7)
    assert not (negative == positive).any()
    for bins in (negative, positive):
        np.testing.assert_array_equal(bins, np.round(bins))
        assert bins.min() >= 0 and bins.max() < n_bins
    np.testing.assert_array_equal(eraser.transform(X[3:5]), negative[3:5])


def test_bins_are_quantiles_of_the_projected_unit_vectors(rng):
    X = rng.normal(size=(400, 5)) * rng.uniform(0.1, 9, size=(400, 1))
    eraser = NegativeFaceEraser(n_units=3, n_bins=4).fit(X)
    bins = eraser.probe(X)
    for unit in range(3):
        assert np.bincount(bins[:, unit].astype(int)).tolist() == [100] * 4
        value = X @ eraser.expansion_[:, unit] / np.linalg.norm(X, axis=1)
        assert value[bins[:, unit] == 1].max() < value[bins[:, unit] == 2].min()
    np.testing.assert_array_equal(eraser.probe(3 * X), bins)


def test_the_other_bins_are_equally_likely(rng):
    X = rng.normal(size=(6000, 3))
    eraser = NegativeFaceEraser(n_units=1).fit(X)
    away = (eraser.transform(X) - eraser.probe(X)).ravel() % 4
    # 2,000 each with a deviation of 37.
    assert abs(np.bincount(away.astype(int), minlength=4) - [0, 2000, 2000, 2000]).max() < 190


def test_two_bins_are_upside_down(rng):
    X = rng.normal(size=(30, 4))
    eraser = NegativeFaceEraser(n_units=9, n_bins=2).fit(X)
    np.testing.assert_array_equal(eraser.transform(X), 1 - eraser.probe(X))


def test_expected_agreements():
    # k = 4: a negative template and its own bins never agree, with independent bins in 1/4.
    # Two negative ones of the same bins agree in 1/3, of independent bins in 1/4.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8))
    near = X * (1 + 1e-4 * rng.normal(size=(60, 1)))  # the same bins, another draw
    eraser = NegativeFaceEraser(n_units=2000).fit(X)
    stored, again, rows = eraser.transform(X), eraser.transform(near), np.arange(60)

    def agree(A, B, shift=0):
        return pair_scores(A, rows, np.roll(rows, shift), "agreement", other=B).mean()

    assert agree(eraser.probe(near), stored) == 0
    assert agree(eraser.probe(near), stored, 1) == pytest.approx(1 / 4, abs=0.02)
    assert agree(stored, again) == pytest.approx(1 / 3, abs=0.01)
    assert agree(stored, again, 1) == pytest.approx(1 / 4, abs=0.01)


def leakage(protected, y, identity):
    result = audit(
        protected, y, identity=identity, metric="agreement",
        attackers=["logistic regression", "similarity"], n_resamples=20,
    )  # fmt: skip
    return {name: found.balanced_accuracy for name, found in result.before.attacks.items()}


def test_few_units_say_little_and_many_say_all():
    X, y, identity = planted("linear", 300)
    X += 2 * np.outer(y, X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0))
    fitted = NegativeFaceEraser(n_units=16).fit(X)
    # Over 3 seeds: own bins 0.98 +- 0.02, few negative ones 0.70 +- 0.03, many 0.99 +- 0.01.
    assert leakage(fitted.probe(X), y, identity)["logistic regression"] > 0.85
    few = leakage(fitted.transform(X), y, identity)
    many = leakage(NegativeFaceEraser(n_units=400).fit(X).transform(X), y, identity)
    assert max(few.values()) < 0.85
    assert min(many.values()) > 0.9


def test_more_units_than_rows_can_be_audited():
    # The audit turns wide templates into fewer columns, which categories would not survive.
    X, y, identity = planted("linear", 110)
    found = leakage(NegativeFaceEraser(n_units=300).fit(X).transform(X), y, identity)
    assert set(found) == {"logistic regression", "similarity"}
