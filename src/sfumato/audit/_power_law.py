"""Extrapolate learning curves by an inverse power law, many curves at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPONENTS = np.geomspace(0.1, 2, 20)
# Curves often lie at chance until the rows suffice; no power law does. On faces three points
# missed what was measured by 0.073 (root mean square), four and five by 0.079.
N_LAST = 3


def extrapolate(
    n_rows: NDArray[Any], curves: NDArray[Any], wanted: NDArray[Any], chance: float
) -> NDArray[Any]:
    """Return what ``a - b * n ** -c`` fitted to each curve gives at other sizes.

    Parameters
    ----------
    n_rows : ndarray of shape (n_sizes,)
        Ascending; the last three are used.
    curves : ndarray of shape (n_curves, n_sizes)
        Balanced accuracies.
    wanted : ndarray of shape (n_wanted,)
        Sizes to extrapolate to.
    chance : float

    Returns
    -------
    ndarray of shape (n_curves, n_wanted)
        In [0, 1].

    Notes
    -----
    Least squares with ``chance <= a <= 1`` and ``b >= 0`` for twenty exponents ``c`` in
    [0.1, 2]; the best exponent is each curve's own.
    """
    n_rows, curves = n_rows[-N_LAST:], curves[:, -N_LAST:]
    fits = [_fit(n_rows, curves, c, chance) for c in EXPONENTS]
    best = np.argmin([error for _, _, error in fits], axis=0)
    place = np.arange(len(curves))
    a = np.array([fit[0] for fit in fits])[best, place]
    b = np.array([fit[1] for fit in fits])[best, place]
    relative = (wanted / n_rows[-1])[None] ** -EXPONENTS[best][:, None]
    return np.clip(a[:, None] - b[:, None] * relative, 0, 1)


def _fit(n_rows, curves, c, chance):
    """Return ``a``, ``b`` and the squared error of each curve, for one exponent.

    The problem is convex and has two unknowns: its optimum is the free one if that is allowed,
    or else the best one with one unknown on its bound.
    """
    x = (n_rows / n_rows[-1]) ** -c
    mean = curves.mean(axis=1)
    free = -(curves - mean[:, None]) @ (x - x.mean()) / np.square(x - x.mean()).sum()
    candidates = [(mean + free * x.mean(), free), (np.clip(mean, chance, 1), np.zeros_like(mean))]
    for bound in (chance, 1.0):
        b = (bound - curves) @ x / np.square(x).sum()
        candidates.append((np.full_like(mean, bound), b.clip(0)))
    error = [np.square(curves - a[:, None] + b[:, None] * x).sum(axis=1) for a, b in candidates]
    allowed = (candidates[0][0] >= chance) & (candidates[0][0] <= 1) & (free >= 0)
    error[0] = np.where(allowed, error[0], np.inf)
    best, place = np.argmin(error, axis=0), np.arange(len(curves))
    a, b = (np.array([pair[part] for pair in candidates])[best, place] for part in (0, 1))
    return a, b, np.min(error, axis=0)
