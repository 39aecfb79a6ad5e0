import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.metrics.groups import shares_by_group


def test_small_groups_are_left_out_of_the_list_but_not_of_everybody():
    found = shares_by_group([True] * 40 + [False] * 10, ["a"] * 40 + ["b"] * 10)
    assert [(g.group, g.n, g.share) for g in found] == [("all", 50, 0.8), ("a", 40, 1.0)]


def test_without_an_error_the_rule_of_three_bounds():
    (everybody,) = shares_by_group([True] * 60, ["a"] * 60, min_rows=100)
    assert everybody.interval == (0.95, 1.0)
    (none,) = shares_by_group([False] * 60, ["a"] * 60, min_rows=100)
    assert none.interval == (0.0, 0.05)


def test_intervals_are_over_people():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(50) < 0.8, 20)
    alone, people = (
        shares_by_group(right, ["a"] * 1000, identity=who)[0]
        for who in (None, np.repeat(np.arange(50), 20))
    )
    widths = [found.interval.high - found.interval.low for found in (alone, people)]
    assert widths[1] > 3 * widths[0]


def test_coverage():
    rng, hits = np.random.default_rng(0), 0
    for seed in range(60):
        (found,) = shares_by_group(rng.random(200) < 0.7, ["all"] * 200, min_rows=999, seed=seed)
        hits += found.interval.low <= 0.7 <= found.interval.high
    # About 56 of 60 hold it, with a deviation of 2.
    assert 46 <= hits <= 60


def test_bad_input():
    with pytest.raises(InputError, match="one entry a row"):
        shares_by_group([True], ["a", "b"])
