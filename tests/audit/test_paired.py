"""The attackers that read products of three, and that restore raw templates first."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from sfumato.audit import _kernels
from sfumato.audit._kernels import CubicRidge
from sfumato.audit._suite import CUBIC
from sfumato.audit.attackers import NAMES
from sfumato.audit.protocol import audit
from sfumato.audit.views import PAIRED, Pairs
from sfumato.data.planted import planted
from sfumato.errors import InputError

OTHERS = ["logistic regression", "RBF SVM", "kNN", "quadratic discriminant", CUBIC]
OPTIONS = {"metric": "euclidean", "curve": False, "n_resamples": 100}


def drowned(rng, n_people=200, n_features=32):
    """Return raw rows whose label is a product of three signs, and rows that drown it.

    A sum of 16 patterns is added, larger than what it hides. Whoever has pairs finds the
    directions without patterns; the label alone, which no line reads, does not tell them.
    """
    identity = np.repeat(np.arange(n_people), 2)
    signs = rng.choice([-1.0, 1.0], size=(n_people, 3))
    X = signs[identity] + 0.2 * rng.standard_normal((len(identity), 3))
    patterns = rng.standard_normal((len(identity), n_features // 2))
    protected = X @ rng.standard_normal((3, n_features))
    protected += 2.5 * patterns @ rng.standard_normal((n_features // 2, n_features))
    return X, protected, np.where(signs.prod(axis=1) > 0, "f", "m")[identity], identity


def test_pairs_give_back_what_no_other_attacker_reads(rng):
    # Over 8 seeds: others' validation at most 0.58, the paired reads all.
    X, protected, y, identity = drowned(rng)
    options = {"identity": identity, "attackers": [*OTHERS, PAIRED], **OPTIONS}
    found = audit(X, y, protected=protected, **options)
    assert found.after.strongest == PAIRED and found.after.headline.ci95[0] > 0.75
    assert max(found.after.attacks[name].validation for name in OTHERS) < 0.75
    assert PAIRED not in found.before.attacks and found.attackers[-1] == PAIRED
    shown = found.to_dict()
    assert list(shown["before"]["attackers"]) == OTHERS
    assert list(shown["after"]["attackers"]) == [*OTHERS, PAIRED]


def test_the_raw_templates_of_test_people_are_not_looked_at(rng):
    X, protected, y, identity = drowned(rng, 90)
    train, tested = identity < 50, identity >= 50
    found = []
    for raw in (X, rng.permutation(X)):
        test = {"X": raw[tested], "protected": protected[tested], "y": y[tested]}
        result = audit(
            X[train], y[train], identity=identity[train], protected=protected[train],
            test=test, attackers=["kNN", PAIRED], **OPTIONS,
        )  # fmt: skip
        found.append(result.after.attacks[PAIRED].to_dict())
    assert found[0] == found[1]


@pytest.mark.parametrize("name", [CUBIC, PAIRED])
def test_on_clean_tables_the_interval_covers_chance(name):
    # A 95 % interval misses in 1 of 20 on average; 5 of 8 or more has a probability of 2e-5.
    missed = 0
    for seed in range(8):
        X, y, _ = planted("none", 160, 1, 8, seed=seed)
        protected = X @ np.random.default_rng(seed).standard_normal((8, 8))
        options = {"attackers": ["kNN", name], "seed": seed, **OPTIONS}
        low, high = audit(X, y, protected=protected, **options).after.attacks[name].ci95
        missed += not low <= 0.5 <= high
    assert missed <= 4


def test_pairs_are_asked_for():
    X, y, identity = planted("linear", 40, 2)
    with pytest.raises(InputError, match="'paired original' needs raw and protected templates"):
        audit(X, y, identity=identity, attackers=["kNN", PAIRED])
    with pytest.raises(InputError, match="'paired original' cannot attack raw templates"):
        audit(X, y, identity=identity, protected=X, attackers=[PAIRED])
    assert NAMES[-1] == PAIRED


def test_joined_rows_come_apart_again(rng):
    protected, raw = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    pairs = Pairs(3)
    first, second, who = pairs.part(pairs.join(protected, raw, np.array(list("babca"))))
    np.testing.assert_array_equal(first, protected)
    np.testing.assert_array_equal(second, raw)
    assert who.tolist() == [1, 0, 1, 2, 0]


def test_cubic_ridge_reads_a_product_of_three(rng):
    X = rng.choice([-1.0, 1.0], size=(900, 6))
    y = np.where(X[:, 0] * X[:, 1] * X[:, 2] > 0, "f", "m")
    found = audit(X, y, attackers=[CUBIC], **OPTIONS).before.headline
    assert found.validation > 0.95 and found.balanced_accuracy > 0.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cubic_ridge_is_scikit_learns(rng, dtype):
    X = rng.normal(size=(80, 5)).astype(dtype)
    y = rng.choice(["a", "b", "c"], size=80)
    twin = KernelRidge(alpha=3.0, kernel="poly", degree=3).fit(
        X.astype(float), (y[:, None] == np.array(["a", "b", "c"])).astype(float)
    )
    new = rng.normal(size=(40, 5)).astype(dtype)
    found = CubicRidge(alpha=3.0).fit(X, y)
    kernel = _kernels.cubic(new, X) @ found._weights
    np.testing.assert_allclose(kernel, twin.predict(new.astype(float)), atol=1e-3)
    assert found.predict(new).tolist() == found.classes_[kernel.argmax(axis=1)].tolist()


def test_an_outlier_does_not_break_the_cubic_kernel(rng):
    X = rng.normal(size=(60, 4)).astype(np.float32)
    X[0] *= 1e4  # Its kernel value, 1e24, drowns every ridge in float32.
    y = np.arange(60) % 2
    assert set(CubicRidge(alpha=3.0).fit(X, y).predict(X[1:])) <= {0, 1}


def test_of_many_rows_the_cubic_ridge_takes_some(rng, monkeypatch):
    monkeypatch.setattr(_kernels, "KERNEL_ROWS", 30)
    X = rng.normal(size=(100, 3))
    found = CubicRidge().fit(X, X[:, 0] > 0)
    assert len(found._rows) == 30
    assert np.mean(found.predict(X) == (X[:, 0] > 0)) > 0.8
