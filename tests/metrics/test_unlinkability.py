"""D(s) and D_sys: values by hand, a slow twin, and the two ends of the scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.metrics.scores import Scores
from sfumato.metrics.unlinkability import linkability, local_linkability

FEW = st.lists(st.integers(0, 6), min_size=1, max_size=30)


def scored(mated, non_mated, n_people=50):
    rng = np.random.default_rng(0)
    people = rng.integers(n_people, size=(len(non_mated), 2))
    people[:, 1] = (people[:, 0] + 1 + people[:, 1] % (n_people - 1)) % n_people
    who = np.arange(len(mated)) % n_people
    return Scores(mated, non_mated, who, people, n_people, len(non_mated))


def test_by_hand():
    # Two bins: mated 1/4, 3/4; non-mated 3/4, 1/4. LR = 1/3 and 3, so D = 0 and
    # 2 * 3 / (1 + 3) - 1 = 1/2, and D_sys = 3/4 * 1/2.
    found = local_linkability([0.1, 0.9, 0.9, 0.9], [0.1, 0.1, 0.1, 0.9], n_bins=2)
    assert found.local.tolist() == [0, 0.5]
    assert found.d_sys == 0.375
    # omega = 2 doubles the ratios, 2/3 and 6: D = 0 and 12 / 7 - 1 = 5/7.
    found = local_linkability([0.1, 0.9, 0.9, 0.9], [0.1, 0.1, 0.1, 0.9], omega=2, n_bins=2)
    np.testing.assert_allclose(found.local, [0, 5 / 7])
    # omega = 4: the lower bin counts too, 2 * (4/3) / (1 + 4/3) - 1 = 1/7.
    found = local_linkability([0.1, 0.9, 0.9, 0.9], [0.1, 0.1, 0.1, 0.9], omega=4, n_bins=2)
    np.testing.assert_allclose(found.local, [1 / 7, 24 / 13 - 1])


@given(FEW, FEW, st.sampled_from([0.5, 1, 3]))
def test_the_slow_twin_agrees(mated, non_mated, omega):
    if len({*mated, *non_mated}) == 1:
        return
    low, high = min(mated + non_mated), max(mated + non_mated)
    n_bins, total = 6 * (high - low) + 1, 0.0
    for value in mated:  # Every whole number falls into a bin of its own.
        p = mated.count(value) / len(mated)
        q = non_mated.count(value) / len(non_mated)
        posterior = omega * p / (omega * p + q)
        total += max(posterior - (1 - posterior), 0) / len(mated)
    found = local_linkability(mated, non_mated, omega=omega, n_bins=n_bins)
    assert found.d_sys == pytest.approx(total)
    assert 0 <= found.d_sys <= 1


def test_all_are_linked():
    rng = np.random.default_rng(0)
    found = linkability(scored(rng.normal(9, 0.1, 1000), rng.normal(0, 0.1, 5000)))
    assert found.d_sys == pytest.approx(1)
    assert found.interval == pytest.approx((1, 1))


def test_nobody_is_linked():
    rng = np.random.default_rng(1)
    found = linkability(scored(rng.normal(size=3000), rng.normal(size=90_000)))
    assert found.d_sys < 0.06
    assert found.interval.low < found.d_sys < 1.5 * found.floor
    assert found.floor < 0.1


def test_the_floor_holds_nine_draws_in_ten():
    rng = np.random.default_rng(2)
    above = 0
    for draw in range(60):
        scores = scored(rng.normal(size=300), rng.normal(size=5000))
        found = linkability(scores, n_resamples=2, seed=draw)
        above += found.d_sys > found.floor
    # Of 20 seeds 5.7 +- 2.2, at most 10.
    assert above <= 18


def test_scores_without_difference_are_refused():
    with pytest.raises(InputError, match="all scores are 1: a linkage function must"):
        local_linkability([1, 1], [1])
