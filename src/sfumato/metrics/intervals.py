"""Bootstrap intervals over people, the independent units of a verification test.

Scores that share a person are not independent, so intervals that resample scores are too
narrow. Here the people are drawn with replacement: a genuine pair counts as often as its
person was drawn, an impostor pair as often as the product of its two people's counts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import POSITIVE_INT, Each, StrOptions, check_argument
from sfumato.errors import InputError
from sfumato.metrics._resampling import Sample
from sfumato.metrics.scores import Scores
from sfumato.validation import check_fraction, check_seed

STATISTICS = ("eer", "tmr_at_fmr", "fnmr_at_fmr", "d_prime", "accuracy")
MAX_IMPOSTOR = 500_000


class Interval(NamedTuple):
    """A confidence interval, ends included."""

    low: float
    high: float


def bootstrap_weights(
    n_identities: int, n_resamples: int = 500, seed: int = 0
) -> NDArray[np.int64]:
    """Return how often each identity is drawn in each resample.

    Parameters
    ----------
    n_identities : int >= 1
    n_resamples : int >= 1, default=500
    seed : int, default=0

    Returns
    -------
    int64 ndarray of shape (n_resamples, n_identities)
        Multinomial counts; each row sums to ``n_identities``.
    """
    check_argument(n_identities, POSITIVE_INT, "n_identities")
    check_argument(n_resamples, POSITIVE_INT, "n_resamples")
    rng = np.random.default_rng(check_seed(seed))
    weights = np.empty((n_resamples, n_identities), dtype=np.int64)
    for row in weights:
        row[:] = np.bincount(rng.integers(n_identities, size=n_identities), minlength=row.size)
    return weights


def percentile_interval(values: Any, level: float = 0.95) -> Interval:
    """Return the central interval that holds a share ``level`` of the resampled values."""
    check_fraction(level, "level")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def rule_of_three(n: Any) -> Any:
    """Return the upper 95 % bound of an error rate of which ``n`` units showed none.

    ``min(1, 3 / n)``, as ``(1 - 3 / n) ** n`` is about 0.05 (ISO/IEC 19795-1).
    """
    check_argument(n, POSITIVE_INT, "n")
    return min(1.0, 3 / n)


def bootstrap_intervals(
    scores: Scores,
    statistics: Sequence[str] = ("eer", "d_prime"),
    *,
    fmr: float = 1e-3,
    correct: Any = None,
    balanced: bool = False,
    n_resamples: int = 500,
    level: float = 0.95,
    seed: int = 0,
    max_impostor: int = MAX_IMPOSTOR,
) -> dict[str, Interval]:
    """Return percentile intervals of verification metrics by resampling identities.

    Parameters
    ----------
    scores : Scores
        From :func:`~sfumato.metrics.scores.all_vs_all`, or made from a list of pairs.
    statistics : sequence of {"eer", "tmr_at_fmr", "fnmr_at_fmr", "d_prime", "accuracy"}
    fmr : float in (0, 1), default=0.001
        For ``tmr_at_fmr`` and ``fnmr_at_fmr``.
    correct : pair of bool arrays of shape (n_genuine,) and (n_impostor,), optional
        For ``accuracy``: whether each pair was judged correctly, at thresholds that stay
        fixed, as in :class:`~sfumato.metrics.accuracy.FoldAccuracy`.
    balanced : bool, default=False
        Whether ``accuracy`` weighs genuine and impostor pairs equally.
    n_resamples : int, default=500
    level : float in (0, 1), default=0.95
    seed : int, default=0
    max_impostor : int >= 2, default=500_000
        With more impostor scores, the highest half of this number are all used and the
        rest are represented by a uniform sample of the other half.

    Returns
    -------
    dict of str to Interval

    Raises
    ------
    InputError
        For an unknown statistic, or when most resamples hold no genuine or impostor pair.

    Notes
    -----
    Where no error was seen among the ``n`` identities with genuine pairs, the interval
    reaches at least to :func:`rule_of_three` (n), a bound at the level 0.95.

    Coverage is approximate; the pigeonhole bootstrap tends to be wide [1]_. The variation
    of the thresholds that made ``correct`` is left out.

    References
    ----------
    .. [1] Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007,
       arXiv:0712.1111.
    """
    check_argument(statistics, Each(StrOptions(STATISTICS)), "statistics")
    check_fraction(fmr, "fmr")
    check_fraction(level, "level")
    if "accuracy" in statistics and correct is None:
        raise InputError("the interval of accuracy needs correct; pass FoldAccuracy's.")
    sample = Sample.draw(scores, correct, max_impostor, seed)
    weights = bootstrap_weights(sample.n_identities, n_resamples, seed)
    rows = (sample.evaluate(weight, statistics, fmr, balanced) for weight in weights)
    values = np.array([row for row in rows if row is not None])
    if len(values) <= n_resamples / 2:
        raise InputError(
            f"{sample.n_identities} identities are too few to bootstrap: most resamples held "
            "no genuine or no impostor pair; test on more people."
        )
    plain = sample.evaluate(np.ones(sample.n_identities, int), statistics, fmr, balanced)
    bound = rule_of_three(np.unique(scores.genuine_identity).size)
    return {
        name: _without_errors(name, percentile_interval(column, level), value, bound)
        for name, column, value in zip(statistics, values.T, plain, strict=True)
    }


def _without_errors(name, interval, value, bound):
    if name in ("eer", "fnmr_at_fmr") and value == 0:
        return Interval(interval.low, max(interval.high, bound))
    if name in ("tmr_at_fmr", "accuracy") and value == 1:
        return Interval(min(interval.low, 1 - bound), interval.high)
    return interval
