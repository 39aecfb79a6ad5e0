"""Bounds on any attacker: by hand, by a slow twin, and never below the best attacker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from sfumato.erasers.ldp_noise import LocalDpEraser
from sfumato.errors import InputError
from sfumato.metrics.certificates import (
    binned_bound,
    gaussian_bound,
    noise_bound,
    private_bound,
)


def test_by_hand():
    # epsilon = log 3: total variation (3 - 1) / (3 + 1) = 1/2, so 3/4; with delta = 0.1 it is
    # 2.2 / 4 = 0.55, so 0.775. Three classes: 3 / (3 + 2) = 0.6.
    assert private_bound(np.log(3), 0) == pytest.approx(0.75)
    assert private_bound(np.log(3), 0.1) == pytest.approx(0.775)
    assert private_bound(np.log(3), 0, 3) == pytest.approx(0.6)
    assert private_bound(0, 0, 4) == 0.25
    assert private_bound(1e6, 0.5) == 1
    # Phi(1) = 0.8413: means two deviations apart.
    assert gaussian_bound(2) == pytest.approx(0.8413447)
    assert gaussian_bound(0, 5) == pytest.approx(0.2)
    assert noise_bound(np.log(3) / 2, 0.0, 1e9, n_templates=2) == pytest.approx(0.75)
    assert noise_bound(1e5, 0.0, np.sqrt(2), n_templates=2) == pytest.approx(0.8413447)


@given(st.integers(2, 5), st.floats(0.01, 5))
def test_randomised_response_attains_the_private_bound(k, epsilon):
    # The class itself is released: the true one e**epsilon times as often as each other.
    weights = np.ones((k, k)) + np.eye(k) * (np.exp(epsilon) - 1)
    released = weights / weights.sum(axis=1, keepdims=True)
    assert released.max(axis=0).sum() / k == pytest.approx(private_bound(epsilon, 0, k))


@given(st.integers(2, 5), st.floats(0, 4), st.floats(0, 0.3))
def test_more_classes_are_bounded_as_well_as_by_total_variation(k, epsilon, delta):
    e = np.exp(epsilon)
    variation = min((e - 1 + 2 * delta) / (e + 1), 1)
    assert private_bound(epsilon, delta, k) <= 1 / k + variation * (k - 1) / k + 1e-9


@pytest.mark.parametrize("n_templates", [1, 4])
def test_no_attacker_beats_noise_between_the_farthest_rows(n_templates):
    # All of one class at C e_1, all of the other at -C e_1, which the attacker knows: the
    # likelihood ratio test of several templates. No attacker does better, and the bound is tight.
    eraser = LocalDpEraser(epsilon=2.0, delta=1e-3, clip=1.0, seed=9).fit(np.eye(3))
    sigma = float(eraser.sigma_[0])
    promised = {"epsilon": 2.0, "delta": 1e-3, "distance": 2 / sigma}
    bound = noise_bound(**promised, n_templates=n_templates)
    assert bound == pytest.approx(norm.cdf(np.sqrt(n_templates) / sigma))
    rng = np.random.default_rng(0)
    accuracies = []
    for _ in range(200):
        noise = rng.normal(size=(2, 4000, n_templates)) * sigma
        right = (noise[0] + 1).sum(axis=1) > 0, (noise[1] - 1).sum(axis=1) <= 0
        accuracies.append((right[0].mean() + right[1].mean()) / 2)
    assert np.mean(accuracies) == pytest.approx(bound, abs=0.002)
    assert bound < private_bound(2.0 * n_templates, 1e-3 * n_templates)


def best_on(shares, k):
    return shares.max(axis=0).sum() / k


@pytest.mark.parametrize(("k", "m", "n"), [(2, 2, 60), (2, 6, 400), (3, 4, 300)])
def test_the_binned_bound_holds(k, m, n):
    # 200 draws of known shares: the best attacker there is, which knows the shares, stays below
    # in at least 95 % of them.
    rng = np.random.default_rng(k * m)
    below = 0
    for _ in range(200):
        shares = rng.dirichlet(np.ones(m) * rng.choice([0.3, 1, 30]), size=k)
        y = np.arange(n) % k
        cells = np.array([rng.choice(m, p=shares[c]) for c in y])
        found = binned_bound(cells, y, 0.05)
        below += best_on(shares, k) > found.value
        assert found.best_seen <= found.value
    assert below <= 10  # The union bound is wide: 0 is usual.


def test_the_slow_twin_agrees():
    rng = np.random.default_rng(3)
    y, cells = rng.integers(3, size=200), rng.integers(4, size=200)
    limits = {}
    for c in range(3):
        for z in range(4):
            hits = int(((y == c) & (cells == z)).sum())
            test = binomtest(hits, int((y == c).sum()))
            limits[c, z] = test.proportion_ci(1 - 0.1 / 12, method="exact")
    sums = [sum(max(limits[c, z].high for c in range(3)) for z in range(4))]
    for j in range(3):
        more = [
            max(0, *(limits[c, z].high - limits[j, z].low for c in range(3) if c != j))
            for z in range(4)
        ]
        sums.append(1 + sum(more))
    assert binned_bound(cells, y, 0.1).value == pytest.approx(min(*sums, 3) / 3)


def test_more_rows_come_closer_and_cells_that_tell_all_give_one():
    values = [binned_bound(list("ab") * n, list("xyyx") * (n // 2)).value for n in (20, 200, 2000)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.56
    assert binned_bound(list("ab") * 50, list("xy") * 50).value == 1


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="y needs at least 2 classes, got 1"):
        binned_bound(["a", "b"], ["x", "x"])
    with pytest.raises(InputError, match="one entry a row"):
        binned_bound(["a", "b"], ["x"])
