"""Hard triplets: an anchor, a positive of the same person, a negative of another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import POSITIVE, POSITIVE_INT, check_argument
from sfumato.data.labels import as_names
from sfumato.errors import InputError
from sfumato.validation import check_seed

BLOCK = 256
N_CANDIDATES = 2048


def hard_triplets(
    X: NDArray[Any],
    identity: NDArray[Any],
    *,
    alpha: float = 0.2,
    n_triplets: int = 100_000,
    seed: int = 0,
) -> NDArray[Any]:
    """Draw triplets that a margin of ``alpha`` does not separate (SensitiveNets, Eq. 3).

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings of unit length.
    identity : ndarray of shape (n_samples,)
        A person with one row gets that row as both anchor and positive.
    alpha : float, default=0.2
        Keep ``|a - n|^2 - |a - p|^2 < alpha``.
    n_triplets : int, default=100_000
        Upper bound. So many pairs of anchor and positive are drawn, with replacement, but at
        most 50 a row; pairs whose 2,048 random candidates hold no hard negative are dropped.
    seed : int, default=0

    Returns
    -------
    ndarray of int of shape (n, 3)
        Row numbers of anchor, positive and negative.

    Raises
    ------
    InputError
        If there are fewer than two people, or no hard triplet was found.
    """
    check_argument(alpha, POSITIVE, "alpha")
    check_argument(n_triplets, POSITIVE_INT, "n_triplets")
    rng = np.random.default_rng(check_seed(seed))
    people, codes = np.unique(as_names(identity), return_inverse=True)
    if len(people) < 2:
        raise InputError(f"identity needs at least 2 people for triplets, got {len(people)}.")
    anchors, positives = _genuine_pairs(codes, min(n_triplets, 50 * len(X)), rng)
    found = []
    for start in range(0, len(anchors), BLOCK):
        a, p = anchors[start : start + BLOCK], positives[start : start + BLOCK]
        size = min(N_CANDIDATES, len(X))
        candidates = rng.choice(len(X), size, replace=False)
        # On unit vectors |u - v|^2 = 2 - 2 u.v.
        impostor = 2 - 2 * X[a] @ X[candidates].T
        genuine = 2 - 2 * np.einsum("ij,ij->i", X[a], X[p])
        hard = (impostor - genuine[:, None] < alpha) & (codes[a][:, None] != codes[candidates])
        rows = np.flatnonzero(hard.any(axis=1))
        # A random one of the hard candidates.
        picked = np.where(hard[rows], rng.random((len(rows), size)), -1).argmax(axis=1)
        found.append(np.stack([a[rows], p[rows], candidates[picked]], axis=1))
    triplets = np.concatenate(found)
    if not len(triplets):
        raise InputError(
            f"no hard triplet within alpha={alpha} was found: raise alpha or give more people."
        )
    return triplets


def _genuine_pairs(codes, n_pairs, rng):
    """Draw anchors evenly over the rows of people with several, and another row of theirs."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    several = np.flatnonzero(counts[codes] > 1)
    pool = several if len(several) else np.arange(len(codes))
    anchors = rng.choice(pool, n_pairs)
    person = codes[anchors]
    place = np.empty(len(codes), dtype=np.int64)
    place[order] = np.arange(len(codes)) - starts[codes[order]]
    jump = 1 + (rng.random(n_pairs) * (counts[person] - 1)).astype(np.int64)
    positives = order[starts[person] + (place[anchors] + jump) % counts[person]]
    return anchors, positives
