"""Match and non-match rates of groups of people at one threshold, over resamples of people."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from sfumato.metrics.scores import PairRows, Scores


@dataclass(frozen=True)
class GroupScores:
    """What one matcher does to each group; the first row is the sample, then its resamples.

    Attributes
    ----------
    fmr, fnmr : ndarray of shape (1 + n_resamples, n_groups)
        At the threshold; NaN where a resample has no such pair.
    genuine, impostor : ndarray of shape (1 + n_resamples, n_groups)
        Mean scores less that of all pairs, in standard deviations of all.
    """

    fmr: NDArray[Any]
    fnmr: NDArray[Any]
    genuine: NDArray[Any]
    impostor: NDArray[Any]


def group_scores(
    scores: Scores,
    pairs: PairRows,
    codes: NDArray[Any],
    threshold: float,
    weights: NDArray[Any],
) -> GroupScores:
    """Return the rates of pairs whose two photos are both of a group.

    Parameters
    ----------
    scores : Scores
        Of ``pairs``, all against all.
    pairs : PairRows
    codes : int ndarray of shape (n_samples,)
        The group of each row, 0..n_groups-1; -1 for none.
    threshold : float
        The same for all groups.
    weights : ndarray of shape (1 + n_resamples, n_identities)
        How often each person is drawn.
    """
    weights = np.ascontiguousarray(weights.T, dtype=np.float64)
    n_groups = int(codes.max()) + 1
    own = _within(pairs.genuine, codes)
    people = pairs.code[pairs.genuine[0]]
    genuine = [
        _sums(people, own, values, weights, n_groups)
        for values in (None, scores.genuine < threshold, _standard(scores.genuine))
    ]
    own = _within(pairs.impostor, codes)
    impostor = [
        _products(scores.impostor_identity, own, values, weights, n_groups)
        for values in (None, scores.impostor >= threshold, _standard(scores.impostor))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        return GroupScores(
            fmr=impostor[1] / impostor[0],
            fnmr=genuine[1] / genuine[0],
            genuine=genuine[2] / genuine[0],
            impostor=impostor[2] / impostor[0],
        )


def pairs_within(pairs: PairRows, codes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return how many genuine and impostor pairs lie within each group."""
    n_groups = int(codes.max()) + 1
    counts = []
    for rows in (pairs.genuine, pairs.impostor):
        own = _within(rows, codes)
        counts.append(np.bincount(own[own >= 0], minlength=n_groups))
    return counts[0], counts[1]


def _within(rows, codes):
    a, b = codes[rows]
    return np.where(a == b, a, -1)


def _standard(scores):
    scores = scores.astype(np.float64)
    return (scores - scores.mean()) / max(scores.std(), np.finfo(float).tiny)


def _sums(people, own, values, weights, n_groups):
    """Return sums over genuine pairs, each as often as its person, (n_draws, n_groups)."""
    used = own >= 0
    flat = people[used] * n_groups + own[used]
    values = None if values is None else values[used]
    sums = np.bincount(flat, values, minlength=len(weights) * n_groups)
    return weights.T @ sums.reshape(len(weights), n_groups)


def _products(people, own, values, weights, n_groups):
    """Return sums over impostor pairs, each as often as both its people, (n_draws, n_groups)."""
    found = np.zeros((weights.shape[1], n_groups))
    values = np.ones(len(own)) if values is None else values.astype(np.float64)
    for group in range(n_groups):
        used = own == group
        shape = (len(weights), len(weights))
        table = coo_array((values[used], tuple(people[used].T)), shape=shape).tocsr()
        found[:, group] = ((table @ weights) * weights).sum(axis=0)
    return found
