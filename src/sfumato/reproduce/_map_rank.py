"""In how many directions an eraser's output moves with its input."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data.rows import unit_rows

STEP, RTOL = 1e-2, 1e-3
#: Trained maps whose output is no narrower than their input: did they give up any direction?
NO_NARROWER = (
    "gradient-reversal",
    "hsic",
    "lntl",
    "maxent-arl",
    "pass",
    "pfrnet",
    "sensitivenets",
)
RANKS = (
    "rank: the number of directions in which a trained map's output moves when a template of unit "
    "length moves in one of 'full rank' many. Of equal numbers no direction is lost: whoever "
    "inverts the map has the template back."
)


def ranks(transform: Any, X: NDArray[Any], seed: int) -> dict[str, float]:
    """Return the rank of a map at some of these templates, and the most that it could be."""
    return {
        "rank": map_rank(transform, unit_rows(X), seed=seed),
        "full rank": float(X.shape[1] - 1),
    }


def map_rank(transform: Any, X: NDArray[Any], *, n_rows: int = 5, seed: int = 0) -> float:
    """Return the median rank of a map's derivative at templates of unit length.

    Parameters
    ----------
    transform : callable
        Templates in, templates out.
    X : ndarray of shape (n_samples, n_features)
        Templates to try, of unit length.
    n_rows : int, default=5
        At how many of them.
    seed : int, default=0
        Picks them.

    Returns
    -------
    float
        At most ``n_features - 1``, for a template of unit length cannot grow: then no direction
        is lost, and an attacker who inverts the map gets the template back. Singular values
        below 1e-3 of the largest count as none, which is above what single precision blurs.

    Notes
    -----
    By central differences of 0.01, so that a kink of the map nearby counts as a bend. A full
    rank is of the map near each template; that no two far apart share an output is not shown.
    """
    rows = np.random.default_rng(seed).permutation(len(X))[:n_rows]
    return float(np.median([_rank(transform, x) for x in np.asarray(X[rows], dtype=float)]))


def _rank(transform, x):
    # An orthonormal basis of what is at right angles to x.
    basis = np.linalg.svd(x[None])[2][1:]
    ahead, behind = (
        transform(unit_rows(x + sign * STEP * basis).astype(np.float32)).astype(float)
        for sign in (1, -1)
    )
    values = np.linalg.svd((ahead - behind) / (2 * STEP), compute_uv=False)
    return int(np.sum(values > RTOL * values[0]))
