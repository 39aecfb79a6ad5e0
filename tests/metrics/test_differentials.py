import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.metrics.differentials import (
    fairness_discrepancy_rate,
    garbe,
    gini,
    inequity_rate,
    worst_by_best,
    worst_by_geometric_mean,
)

FMR, FNMR = [0.001, 0.002, 0.004], [0.10, 0.05, 0.20]


def test_by_hand():
    # Geometric mean of 1, 2 and 4 is 2; the worst is 4.
    assert worst_by_geometric_mean(FMR) == pytest.approx(2)
    assert worst_by_best(FMR) == pytest.approx(4)
    # Differences 1, 3 and 2, each twice: 12. Mean 7/3: 3/2 * 12 / (2 * 9 * 7/3) = 3/7.
    assert gini(FMR) == pytest.approx(3 / 7)
    # 5, 10 and 15, twice: 60. Mean 35/3: 3/2 * 60 / (18 * 35/3) = 3/7.
    assert gini(FNMR) == pytest.approx(3 / 7)
    assert garbe(FMR, [0.1, 0.1, 0.1], alpha=0.25) == pytest.approx(0.25 * 3 / 7)
    assert fairness_discrepancy_rate(FMR, FNMR) == pytest.approx(1 - 0.5 * 0.003 - 0.5 * 0.15)
    assert inequity_rate(FMR, FNMR, alpha=0.5) == pytest.approx(4)


def test_the_slow_twin(rng):
    for _ in range(5):
        x, n = rng.random(6), 6
        total = sum(abs(a - b) for a in x for b in x)
        assert gini(x) == pytest.approx(n / (n - 1) * total / (2 * n**2 * x.mean()))
        worst = max(abs(a - b) for a in x for b in x)
        assert fairness_discrepancy_rate(x, x, alpha=0.3) == pytest.approx(1 - worst)
        assert worst_by_geometric_mean(x) == pytest.approx(x.max() / np.prod(x) ** (1 / 6))


def test_groups_lie_along_the_last_axis(rng):
    rates = rng.random((4, 3))
    for function in (worst_by_geometric_mean, worst_by_best, gini):
        assert function(rates) == pytest.approx([function(row) for row in rates])


def test_rates_of_zero():
    assert gini([0, 0]) == 0
    assert gini([0, 0.3]) == 1
    assert np.isnan([worst_by_best([0, 0.3]), worst_by_geometric_mean([0, 0.3])]).all()


def test_one_group_is_refused():
    with pytest.raises(InputError, match="needs at least 2 groups"):
        gini([0.1])
    with pytest.raises(InputError, match="alpha must be a number in"):
        garbe(FMR, FNMR, alpha=2)
