import numpy as np
import pytest

from sfumato.erasers._person_scatter import person_scatter


def test_finds_the_scatters_that_were_drawn(rng):
    who = np.repeat(np.arange(4000), rng.integers(1, 5, size=4000))
    people = rng.normal(size=(4000, 3)) * [3.0, 1.0, 0.0]
    u = people[who] + rng.normal(size=(len(who), 3)) * [1.0, 1.0, 2.0]
    within, between = person_scatter(u, who.astype(str))
    np.testing.assert_allclose(within, np.diag([1, 1, 4]), atol=0.2)
    np.testing.assert_allclose(between, np.diag([9, 1, 0]), atol=0.6)


@pytest.mark.parametrize("who", [["a", "b", "c"], ["a", "a", "b"]])
def test_two_people_with_two_rows_are_needed(who):
    assert person_scatter(np.arange(6.0).reshape(3, 2), np.array(who)) is None


def test_between_people_is_a_covariance_even_of_few(rng):
    # Nothing between people, much within: the plain estimate has negative eigenvalues.
    between = person_scatter(rng.normal(size=(60, 16)), np.repeat(np.arange(20), 3).astype(str))[1]
    assert np.linalg.eigvalsh(between).min() > -1e-12
