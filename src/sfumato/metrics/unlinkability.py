"""How well two protected templates of one person can be linked: D(s) and D_sys [1]_.

With the score ``s`` of a linkage function, ``LR(s) = p(s | mated) / p(s | non-mated)`` and the
ratio of the priors ``omega = p(mated) / p(non-mated)``,

    D(s)  = p(mated | s) - p(non-mated | s) = 2 omega LR(s) / (1 + omega LR(s)) - 1,
            or 0 where omega LR(s) <= 1,
    D_sys = integral of p(s | mated) D(s) ds,

both in [0, 1]: 0 for templates that nobody links, 1 for templates that all are.

References
----------
.. [1] Gomez-Barrero, Galbally, Rathgeb, Busch, "General framework to evaluate unlinkability in
   biometric template protection systems", IEEE Transactions on Information Forensics and
   Security 13 (6), 2018, arXiv:2311.04633: the local and the global measure. The formulas were
   compared with the authors' published script (``dasec/unlinkability-metric``); the paper's
   equation numbers were not at hand.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import POSITIVE, POSITIVE_INT, Optional, at_least, check_argument
from sfumato.errors import InputError
from sfumato.metrics.intervals import Interval, bootstrap_weights, percentile_interval
from sfumato.metrics.scores import Scores
from sfumato.validation import check_scores, check_seed

MAX_BINS = 100
SCORES_PER_BIN = 10
N_FLOORS = 100


class LocalLinkability(NamedTuple):
    """The local measure on bins of the score.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
    local : ndarray of shape (n_bins,)
        D(s) in each bin, in [0, 1].
    mated : ndarray of shape (n_bins,)
        Share of the mated scores in each bin; ``d_sys`` is the sum of ``mated * local``.
    d_sys : float in [0, 1]
    """

    edges: np.ndarray
    local: np.ndarray
    mated: np.ndarray
    d_sys: float


class Linkability(NamedTuple):
    """D_sys with what is needed to judge it.

    Attributes
    ----------
    d_sys : float in [0, 1]
    interval : Interval
        95 %, over people.
    floor : float
        What D_sys stays below in 95 of 100 draws if nothing can be linked: as many scores as
        there are mated ones, drawn from the non-mated. Histograms of few scores lie above 0.
    """

    d_sys: float
    interval: Interval
    floor: float


def local_linkability(
    mated: ArrayLike, non_mated: ArrayLike, *, omega: float = 1.0, n_bins: int | None = None
) -> LocalLinkability:
    """Return D(s) on bins of equal width, and D_sys.

    Parameters
    ----------
    mated : array-like of shape (n_mated,)
        Scores of two protected templates of one person; higher means more alike.
    non_mated : array-like of shape (n_non_mated,)
        Scores of two people's.
    omega : float > 0, default=1
        Ratio of the priors; 1 is the paper's choice without better knowledge.
    n_bins : int >= 2, optional
        Default: one bin for 10 mated scores, at least 2 and at most 100, the number of the
        authors' script.

    Returns
    -------
    LocalLinkability

    Notes
    -----
    Where we deviate: D_sys sums over bins; the authors' trapezoid between the bins' centres
    loses half of the first and of the last bin, and gives perfectly separated scores less
    than 1. A bin without non-mated scores has D = 1, as in their script.

    Examples
    --------
    >>> round(local_linkability([0.1, 0.9, 0.9, 0.9], [0.1, 0.1, 0.1, 0.9], n_bins=2).d_sys, 3)
    0.375
    """
    mated, non_mated = check_scores(mated, "mated"), check_scores(non_mated, "non_mated")
    check_argument(omega, POSITIVE, "omega")
    check_argument(n_bins, Optional(at_least(2)), "n_bins")
    edges = _edges(mated, non_mated, n_bins)
    p, q = (np.histogram(scores, edges)[0] / scores.size for scores in (mated, non_mated))
    return LocalLinkability(edges, _local(p, q, omega), p, _d_sys(p, q, omega))


def linkability(
    scores: Scores,
    *,
    omega: float = 1.0,
    n_bins: int | None = None,
    n_resamples: int = 200,
    seed: int = 0,
) -> Linkability:
    """Return D_sys of scores with their people, its interval and its floor.

    Parameters
    ----------
    scores : Scores
        Genuine scores are the mated ones.
    omega, n_bins
        See :func:`local_linkability`.
    n_resamples : int, default=200
        Bootstrap resamples over people.
    seed : int, default=0

    Returns
    -------
    Linkability

    Notes
    -----
    Resampling adds to a measure that cannot fall below 0, so the interval is turned about the
    estimate (the basic bootstrap), cut to [0, 1], and widened to hold the estimate.
    """
    check_argument(n_resamples, POSITIVE_INT, "n_resamples")
    rng = np.random.default_rng(check_seed(seed))
    found = local_linkability(scores.genuine, scores.impostor, omega=omega, n_bins=n_bins)
    last = len(found.local) - 1
    bins = [
        np.searchsorted(found.edges[1:-1], side, side="right").clip(0, last)
        for side in (scores.genuine, scores.impostor)
    ]
    resampled = _resampled(scores, bins, last + 1, omega, n_resamples, seed)
    low, high = percentile_interval(resampled)
    low, high = np.clip([2 * found.d_sys - high, 2 * found.d_sys - low], 0, 1).tolist()
    interval = Interval(min(low, found.d_sys), max(high, found.d_sys))
    all_bins = np.bincount(bins[1], minlength=last + 1) / bins[1].size
    floors = [
        _d_sys(rng.multinomial(bins[0].size, all_bins) / bins[0].size, all_bins, omega)
        for _ in range(N_FLOORS)
    ]
    return Linkability(found.d_sys, interval, float(np.quantile(floors, 0.95)))


def _edges(mated, non_mated, n_bins):
    n_bins = n_bins or max(min(MAX_BINS, mated.size // SCORES_PER_BIN), 2)
    low, high = min(mated.min(), non_mated.min()), max(mated.max(), non_mated.max())
    if low == high:
        raise InputError(f"all scores are {low:g}: a linkage function must tell pairs apart.")
    return np.linspace(float(low), float(high), n_bins + 1)


def _local(mated, non_mated, omega):
    weighed = omega * mated
    return np.where(
        weighed > non_mated, (weighed - non_mated) / np.maximum(weighed + non_mated, 1e-300), 0.0
    )


def _d_sys(mated: NDArray[Any], non_mated: NDArray[Any], omega: float) -> float:
    return float((mated * _local(mated, non_mated, omega)).sum())


def _resampled(scores, bins, n_bins, omega, n_resamples, seed):
    values = []
    for weight in bootstrap_weights(scores.n_identities, n_resamples, seed):
        weights = (
            weight[scores.genuine_identity],
            weight[scores.impostor_identity].prod(axis=1),
        )
        if all(part.any() for part in weights):
            mated, non_mated = (
                np.bincount(bins[side], part, minlength=n_bins) / part.sum()
                for side, part in enumerate(weights)
            )
            values.append(_d_sys(mated, non_mated, omega))
    return values
