import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfumato.errors import InputError
from sfumato.metrics.ordinal import (
    age_bands,
    age_errors,
    n_inconsistencies,
    predicted_rank,
    rank_interval,
    rank_probabilities,
)

falling = arrays(float, (4, 6), elements=st.floats(0, 1)).map(lambda a: -np.sort(-a, axis=1))


def test_errors_by_hand():
    found = age_errors([20, 30, 40, 50], [21, 30, 37, 60], within=(0, 1, 3, 10))
    assert found.n == 4
    assert found.mae == 14 / 4
    assert found.rmse == pytest.approx(np.sqrt(110 / 4))
    assert found.bias == 2.0
    assert found.within == {0: 0.25, 1: 0.5, 3: 0.75, 10: 1.0}
    assert found.mae_interval.low < 3.5 < found.mae_interval.high


def test_interval_is_over_people_not_over_photos():
    rng = np.random.default_rng(0)
    own = np.repeat(rng.normal(size=40), 25)
    truth = np.full(1000, 30.0)
    alone = age_errors(truth, truth + own)
    people = age_errors(truth, truth + own, identity=np.repeat(np.arange(40), 25))
    assert alone.mae == people.mae
    widths = [found.mae_interval.high - found.mae_interval.low for found in (alone, people)]
    assert widths[1] > 3 * widths[0]


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(60):
        off = rng.normal(size=200)
        low, high = age_errors(np.zeros(200), off, seed=seed).mae_interval
        hits += low <= np.sqrt(2 / np.pi) <= high
    # About 56 of 60 hold it, with a deviation of 2.
    assert 46 <= hits <= 60


@pytest.mark.parametrize(
    ("truth", "said", "what"),
    [([1, 2], [1], "one entry a row"), ([], [], "at least one"), ([1], [np.nan], "finite")],
)
def test_bad_input(truth, said, what):
    with pytest.raises(InputError, match=what):
        age_errors(truth, said)


def test_bands():
    assert age_bands([0, 12, 13, 19, 20, 69, 70, 116]).tolist() == [
        *("0-12", "0-12", "13-19", "13-19", "20-29", "60-69", "70+", "70+")
    ]
    with pytest.raises(InputError, match="ages must be in"):
        age_bands([-1])


def test_rank_by_hand():
    assert predicted_rank([[0.9, 0.6, 0.5, 0.1], [0.2, 0.1, 0.1, 0.0]]).tolist() == [2, 0]
    np.testing.assert_allclose(rank_probabilities([[0.9, 0.6, 0.1]]), [[0.1, 0.3, 0.5, 0.1]])


@given(falling)
def test_falling_levels_are_a_distribution(levels):
    p = rank_probabilities(levels)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(p[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:], levels, atol=1e-12)
    assert not n_inconsistencies(levels).any()


@given(arrays(float, (5, 4), elements=st.floats(0, 1)))
def test_inconsistencies_are_counted_one_by_one(levels):
    twin = [sum(b > a for a, b in zip(row[:-1], row[1:], strict=True)) for row in levels]
    assert n_inconsistencies(levels).tolist() == twin
    assert ((rank_probabilities(levels) < 0).sum(axis=1) <= n_inconsistencies(levels)).all()


@given(falling, st.floats(0.5, 0.99))
def test_interval_holds_its_share_and_the_predicted_rank(levels, share):
    low, high = rank_interval(levels, share)
    p, rank = rank_probabilities(levels), predicted_rank(levels)
    assert (low <= rank).all() and (rank <= high).all()
    for row, (a, b) in enumerate(zip(low, high, strict=True)):
        assert p[row, a : b + 1].sum() >= share - 1e-9
