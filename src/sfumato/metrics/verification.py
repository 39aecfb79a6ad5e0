"""Error rates of a face matcher, from the scores of genuine and impostor pairs.

Higher scores mean more alike; a pair is accepted when ``score >= threshold``, so a tie
counts against the matcher. Definitions follow ISO/IEC 19795-1: FMR(t) is the share of
impostor scores at or above t, FNMR(t) the share of genuine scores below it, TMR = 1 - FNMR.
"""

from bisect import bisect_left, bisect_right
from copy import copy
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import at_least, check_argument
from sfumato.errors import InputError
from sfumato.validation import check_fraction, check_scores


class EqualErrorRate(NamedTuple):
    """The equal error rate, a fraction, and the threshold nearest to it."""

    value: float
    threshold: float


class Curve(NamedTuple):
    """Points of an error trade-off curve, from the strictest threshold to the laxest.

    ``rate`` is TMR for a ROC and FNMR for a DET curve; all shapes are (n_points,).
    """

    fmr: np.ndarray
    rate: np.ndarray
    threshold: np.ndarray


class RankedScores:
    """Genuine and impostor scores sorted once, for several metrics of the same scores.

    Parameters
    ----------
    genuine : array-like of shape (n_genuine,)
        Scores of same-person pairs; higher means more alike.
    impostor : array-like of shape (n_impostor,)
        Scores of different-person pairs.

    Attributes
    ----------
    genuine, impostor : ndarray
        The scores in ascending order, of one floating type.
    """

    def __init__(self, genuine: NDArray[Any], impostor: NDArray[Any]) -> None:
        genuine, impostor = check_pair(genuine, impostor)
        self.genuine, self.impostor = np.sort(genuine), np.sort(impostor)
        self._genuine_cumulative = self._impostor_cumulative = None

    @classmethod
    def from_sorted(cls, genuine: Any, impostor: Any) -> Self:
        """Return the same from finite scores that are sorted already, unchecked."""
        self = cls.__new__(cls)
        self.genuine, self.impostor = genuine, impostor
        self._genuine_cumulative = self._impostor_cumulative = None
        return self

    def weighted(self, genuine_weight: Any, impostor_weight: Any) -> Any:
        """Return the same scores with a weight >= 0 each, in the order of the sorted scores.

        Raises
        ------
        InputError
            If a weight is negative or all weights of a side are zero.
        """
        twin = copy(self)
        twin._genuine_cumulative = _cumulative(genuine_weight, self.genuine, "genuine_weight")
        twin._impostor_cumulative = _cumulative(impostor_weight, self.impostor, "impostor_weight")
        return twin

    def fmr(self, threshold: Any) -> Any:
        """Return the share of impostor scores at or above ``threshold`` (float or array)."""
        return self._share_from(_rank(self.impostor, threshold))

    def _share_from(self, below):
        """Return the share of impostor scores that are not among the lowest ``below``."""
        cumulative = self._impostor_cumulative
        if cumulative is None:
            return (self.impostor.size - below) / self.impostor.size
        return (cumulative[-1] - cumulative[below]) / cumulative[-1]

    def fnmr(self, threshold: Any) -> Any:
        """Return the share of genuine scores below ``threshold`` (float or array)."""
        return self._share_of(_rank(self.genuine, threshold))

    def _share_of(self, below):
        """Return the share of genuine scores that are among the lowest ``below``."""
        cumulative = self._genuine_cumulative
        if cumulative is None:
            return below / self.genuine.size
        return cumulative[below] / cumulative[-1]

    def tmr(self, threshold: Any) -> Any:
        """Return the share of genuine scores at or above ``threshold`` (float or array)."""
        return 1 - self.fnmr(threshold)

    def threshold_at_fmr(self, fmr: Any) -> float:
        """Return the lowest threshold whose false match rate is at most ``fmr``."""
        n = self.impostor.size
        _check_fmr(fmr, n)
        # n_accepted best impostors may pass; the threshold lies just above the next one.
        n_accepted = bisect_right(range(1, n + 1), fmr, key=self._share_of_best)
        return float(np.nextafter(self.impostor[n - 1 - n_accepted], np.inf))

    def _share_of_best(self, k):
        cumulative = self._impostor_cumulative
        if cumulative is None:
            return k / self.impostor.size
        return (cumulative[-1] - cumulative[-1 - k]) / cumulative[-1]

    def tmr_at_fmr(self, fmr: Any) -> float:
        """Return the true match rate at :meth:`threshold_at_fmr`."""
        return float(self.tmr(self.threshold_at_fmr(fmr)))

    def eer(self) -> EqualErrorRate:
        """Return the :class:`EqualErrorRate`, see :func:`eer`."""
        upper = min(self._first_crossed(self.genuine), self._first_crossed(self.impostor))
        lower = max(_last_below(self.genuine, upper), _last_below(self.impostor, upper))
        ends = [(self.fmr(t), self.fnmr(t)) for t in (lower, upper)]
        (fmr, fnmr), (next_fmr, next_fnmr) = ends
        before, after = fmr - fnmr, next_fnmr - next_fmr
        value = fmr + before / (before + after) * (next_fmr - fmr)
        nearest = upper if after < before else lower
        return EqualErrorRate(float(value), float(nearest))

    def _first_crossed(self, scores):
        """Return the lowest of ``scores`` at which FNMR >= FMR, or infinity."""

        def crossed(k):
            # Of the scores' own type: a tenth of the time of asking fnmr and fmr.
            fnmr = self._share_of(self.genuine.searchsorted(scores[k]))
            return fnmr >= self._share_from(self.impostor.searchsorted(scores[k]))

        k = bisect_left(range(scores.size), True, key=crossed)
        return scores[k] if k < scores.size else scores.dtype.type(np.inf)


def check_pair(genuine: Any, impostor: Any) -> tuple[Any, ...]:
    """Return both score arrays, checked, as one floating type."""
    genuine, impostor = check_scores(genuine, "genuine"), check_scores(impostor, "impostor")
    kind = np.result_type(genuine, impostor)
    return genuine.astype(kind, copy=False), impostor.astype(kind, copy=False)


def _check_fmr(fmr, n):
    if check_fraction(fmr, "fmr") < 1 / n:
        raise InputError(f"fmr must be in [1/n_impostor, 1) = [1/{n}, 1), got {fmr}.")


def _cumulative(weight, scores, name):
    weight = np.asarray(weight)
    if weight.shape != scores.shape:
        raise InputError(f"{name} must have shape {scores.shape}, got {weight.shape}.")
    # Whole numbers add up several times faster than floats.
    kind = np.int64 if np.issubdtype(weight.dtype, np.integer) else np.float64
    cumulative = np.zeros(weight.size + 1, dtype=kind)
    np.cumsum(weight, out=cumulative[1:])
    if not (cumulative[-1] > 0 and weight.min() >= 0):
        raise InputError(f"{name} must be >= 0 with a positive sum.")
    return cumulative


def _rank(ranked, threshold):
    """Return how many of the sorted scores lie below each threshold."""
    # A float64 threshold would make searchsorted copy a float32 array, so it is compared in
    # the scores' own type, rounded up: that accepts exactly the same scores.
    exact = np.asarray(threshold)
    asked = exact.astype(ranked.dtype)
    asked = np.where(asked < exact, np.nextafter(asked, ranked.dtype.type(np.inf)), asked)
    return np.searchsorted(ranked, asked, side="left")


def _last_below(ranked, threshold):
    below = np.searchsorted(ranked, threshold, side="left")
    return ranked[below - 1] if below else -np.inf


def threshold_at_fmr(impostor: ArrayLike, fmr: float) -> float:
    """Return the lowest threshold whose false match rate is at most ``fmr``.

    Parameters
    ----------
    impostor : array-like of shape (n_impostor,)
        Scores of different-person pairs; higher means more alike.
    fmr : float in [1 / n_impostor, 1)

    Returns
    -------
    float
        Accept when ``score >= threshold``. Ties count against the matcher.

    Raises
    ------
    InputError
        If ``fmr`` is finer than the number of impostor scores can resolve.
    """
    impostor = check_scores(impostor, "impostor")
    n = impostor.size
    _check_fmr(fmr, n)
    n_accepted = bisect_right(range(1, n + 1), fmr, key=lambda k: k / n)
    next_best = np.partition(impostor, n - 1 - n_accepted)[n - 1 - n_accepted]
    return float(np.nextafter(next_best, np.inf, dtype=impostor.dtype))


def tmr_at_fmr(genuine: Any, impostor: Any, fmr: Any) -> float:
    """Return the share of genuine scores accepted at :func:`threshold_at_fmr`."""
    genuine, impostor = check_pair(genuine, impostor)
    return float(np.mean(genuine >= threshold_at_fmr(impostor, fmr)))


def fnmr_at_fmr(genuine: Any, impostor: Any, fmr: Any) -> float:
    """Return the share of genuine scores rejected at :func:`threshold_at_fmr`."""
    genuine, impostor = check_pair(genuine, impostor)
    return float(np.mean(genuine < threshold_at_fmr(impostor, fmr)))


def eer(genuine: NDArray[Any], impostor: NDArray[Any]) -> EqualErrorRate:
    """Return the rate at which false matches and false non-matches are equally frequent.

    Parameters
    ----------
    genuine : array-like of shape (n_genuine,)
        Scores of same-person pairs; higher means more alike.
    impostor : array-like of shape (n_impostor,)
        Scores of different-person pairs.

    Returns
    -------
    EqualErrorRate
        ``value`` in [0, 1], where the straight line between the two neighbouring points of
        the ROC meets FMR = FNMR; ``threshold``, the one of the two points at which the rates
        differ less.

    Notes
    -----
    Only ranks matter: a strictly increasing map of all scores changes no value. A matcher
    that gives every pair the same score has EER 1/2; one that is always wrong has 1.
    """
    return RankedScores(genuine, impostor).eer()


def roc_curve(genuine: ArrayLike, impostor: ArrayLike, n_points: int | None = None) -> Curve:
    """Return the ROC: FMR and TMR at every distinct score, or at about ``n_points`` of them.

    Parameters
    ----------
    genuine, impostor : array-like of shape (n_genuine,) and (n_impostor,)
        Scores of same- and different-person pairs; higher means more alike.
    n_points : int >= 4, optional
        Keep at most this many points, spread evenly over the logarithms of FMR and of FNMR,
        ends included: enough for a plot of either scale. Default: all, exact.

    Returns
    -------
    Curve
        Rising FMR and TMR, from (0, 0) at the threshold infinity to (1, 1).
    """
    fmr, fnmr, threshold = det_curve(genuine, impostor, n_points)
    return Curve(fmr, 1 - fnmr, threshold)


def det_curve(genuine: Any, impostor: Any, n_points: Any = None) -> Curve:
    """Return FMR and FNMR (for a DET plot) at the thresholds of :func:`roc_curve`."""
    ranked = RankedScores(genuine, impostor)
    if n_points is None:
        chosen = [ranked.genuine, ranked.impostor]
    else:
        check_argument(n_points, at_least(4), "n_points")
        half = (n_points - 2) // 2
        chosen = [
            ranked.genuine[_log_ranks(ranked.genuine.size, half)],
            ranked.impostor[-1 - _log_ranks(ranked.impostor.size, half)],
            np.minimum(ranked.genuine[:1], ranked.impostor[:1]),
        ]
    threshold = np.append(np.unique(np.concatenate(chosen)), np.inf)[::-1]
    return Curve(ranked.fmr(threshold), ranked.fnmr(threshold), threshold)


def _log_ranks(n, n_ranks):
    return np.unique(np.round(np.geomspace(1, n, n_ranks)).astype(int) - 1)


def d_prime(genuine: Any, impostor: Any) -> float:
    """Return the distance between the score means in units of their mean spread, >= 0.

    ``|mean_g - mean_i| / sqrt((var_g + var_i) / 2)``, with variances over all scores.

    Raises
    ------
    InputError
        If neither genuine nor impostor scores vary.
    """
    genuine, impostor = check_pair(genuine, impostor)
    spread = (genuine.var(dtype=np.float64) + impostor.var(dtype=np.float64)) / 2
    if spread == 0:
        raise InputError("d_prime needs scores that vary; genuine and impostor are constant.")
    gap = genuine.mean(dtype=np.float64) - impostor.mean(dtype=np.float64)
    return float(abs(gap) / np.sqrt(spread))
