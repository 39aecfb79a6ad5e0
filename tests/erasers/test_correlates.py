import numpy as np
import pytest

from sfumato.erasers._correlates import correlate_directions, cramers_v
from sfumato.errors import InputError


def test_cramers_v_by_hand():
    first = np.array([0, 0, 1, 1])
    assert cramers_v(first, first) == 1
    assert cramers_v(first, np.array([0, 1, 0, 1])) == 0
    assert cramers_v(first, np.zeros(4, dtype=int)) == 0
    # Table [[2, 1], [1, 2]]: every cell is 0.5 off 1.5, chi2 = 4 * 0.25 / 1.5 = 2/3,
    # V = sqrt(2/3 / 6) = 1/3.
    value = cramers_v(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 0, 1, 1]))
    assert value == pytest.approx(1 / 3)


def test_finds_where_classes_differ_and_where_correlated_groups_lie(rng):
    n = 4000
    codes = rng.integers(2, size=n)
    young = np.where(rng.random(n) < 0.8, codes, 1 - codes)  # goes with the class
    tall = rng.integers(2, size=n)  # does not
    u = 0.1 * rng.normal(size=(n, 6))
    u[:, 1] += young
    u[:, 2] += tall
    context = np.stack([young, tall], axis=1).astype(object)
    rows = correlate_directions(u, codes, context, np.eye(6), budget=0.2)
    assert rows.shape == (1, 6)
    assert abs(rows[0, 1]) > 0.99


def test_where_people_differ_less_goes_first(rng):
    n = 40_000
    codes = rng.integers(2, size=n)
    u = 0.1 * rng.normal(size=(n, 6))
    young = np.where(rng.random(n) < 0.8, codes, 1 - codes)
    u[:, [1, 4]] += 0.5 * young[:, None]
    kept = np.diag([1.0, 9.0, 1.0, 1.0, 1.0, 1.0])
    rows = correlate_directions(u, codes, young[:, None].astype(object), kept, budget=0.15)
    # All the leak lies along (1, 1) of two axes; people differ nine times as much on the first.
    # Ridge 2.5 * 1: the direction (1 / 11.5, 1 / 3.5).
    assert rows.shape == (1, 6)
    assert rows[0, 4] / rows[0, 1] == pytest.approx(11.5 / 3.5, rel=0.05)


@pytest.mark.parametrize(("budget", "n"), [(0, 0), (0.16, 0), (0.3, 1), (0.34, 2), (0.6, 3)])
def test_directions_fit_the_budget(rng, budget, n):
    codes = np.tile([0, 1], 2000)
    labels = rng.integers(2, size=(4000, 3))
    u = 0.01 * rng.normal(size=(4000, 6))
    for axis, size in enumerate((4, 2, 1)):
        # The classes differ along this axis among those of label 1.
        u[:, axis] += size * codes * labels[:, axis]
    context = labels.astype(object)
    assert len(correlate_directions(u, codes, context, np.eye(6), budget=budget)) == n


def test_missing_labels_and_ages_are_grouped(rng):
    n = 3000
    codes = rng.integers(2, size=n)
    age = rng.integers(18, 80, size=n).astype(object)
    age[::2] = None
    u = 0.1 * rng.normal(size=(n, 4))
    # Among the old only, the classes differ along the last axis.
    u[:, 3] += [0.5 * c * (a is not None and a > 60) for a, c in zip(age, codes, strict=True)]
    rows = correlate_directions(u, codes, age[:, None], np.eye(4), budget=0.3)
    assert abs(rows[0, 3]) > 0.9


def test_too_few_rows_are_refused(rng):
    with pytest.raises(InputError, match="context: no group has 60 rows of two classes"):
        correlate_directions(
            rng.normal(size=(20, 3)), np.arange(20) % 2, [["a"]] * 20, np.eye(3), budget=0.5
        )
