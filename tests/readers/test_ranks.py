import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.readers._ranks import Ranks

ages = st.lists(st.integers(0, 116), min_size=2, max_size=40).filter(lambda a: len(set(a)) > 1)


@given(ages)
def test_ranks_and_back(found):
    ranks = Ranks.seen(found)
    assert ranks.ages_years[ranks.of(found)].tolist() == found
    assert set(ranks.of(found)) == set(range(len(ranks)))


@given(ages)
def test_importance_counts_by_age_though_ages_have_gaps(found):
    ranks, ages = Ranks.seen(found), np.array(found)
    m = []
    for age in ranks.ages_years[1:]:
        older = int((ages >= age).sum())
        m.append(np.sqrt(max(older, len(ages) - older)))
    expected = np.array(m) / max(m)
    np.testing.assert_allclose(ranks.importance(ranks.of(found)), expected, rtol=1e-6)


def test_gap_does_not_move_the_weights():
    # Ages 30, 31, 40: of five rows two are at least 31, one is 40.
    ranks = Ranks([30, 31, 40])
    weights = ranks.importance(ranks.of([30, 30, 30, 31, 40]))
    np.testing.assert_allclose(weights, np.sqrt([3 / 4, 1]), rtol=1e-6)


@pytest.mark.parametrize("wrong", [[21], [22, 21], [21, 21], []])
def test_ages_must_rise(wrong):
    with pytest.raises(InputError, match="ages"):
        Ranks(wrong)


@pytest.mark.parametrize("age", [20, 23, 30, 22.5])
def test_unknown_age(age):
    with pytest.raises(InputError, match=f"has {age}, which is none of the 3 ages from 21 to 25"):
        Ranks([21, 22, 25]).of([22, age])
