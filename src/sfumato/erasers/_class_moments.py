"""Means and covariances of classes, those of few rows shrunk to what all rows say."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfumato.erasers._gaussian_transport import matrix_power


class Moments(NamedTuple):
    """What is known of every cell.

    Attributes
    ----------
    means : ndarray of shape (n_cells, n_features)
    covariances : ndarray of shape (n_cells, n_features, n_features)
    """

    means: NDArray[Any]
    covariances: NDArray[Any]


def class_moments(u: NDArray[Any], codes: NDArray[Any], n_classes: int, prior: float) -> Moments:
    """Return class means and shrunk covariances.

    Parameters
    ----------
    u : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples,)
        Every class must occur.
    n_classes : int
    prior : float
        Covariances are shrunk to the pooled one as if it came from ``prior * n_features`` rows
        more.
    """
    d = u.shape[1]
    means = np.stack([u[codes == k].mean(axis=0) for k in range(n_classes)])
    centred = u - means[codes]
    pooled = _pooled(centred, u)
    covariances = [_shrunk(centred[codes == k], pooled, prior * d) for k in range(n_classes)]
    return Moments(means, np.stack(covariances))


def population_moments(
    u: NDArray[Any], codes: NDArray[Any], populations: NDArray[Any], shape: tuple[int, int],
    priors: tuple[float, float],
) -> Moments:  # fmt: skip
    """Return the moments of every class in every population.

    A population has a scatter of its own, and in it the classes differ as they do elsewhere,
    unless its rows say otherwise. With P the covariance within cells, P_c the one within
    population c, and S_k the one of class k around its means, the guess of a cell is

        G_kc = P_c^(1/2) P^(-1/2) S_k P^(-1/2) P_c^(1/2).

    Parameters
    ----------
    u : ndarray of shape (n_samples, n_features)
    codes, populations : ndarray of shape (n_samples,)
        Numbers of class and population; every pair must occur.
    shape : (int, int)
        How many classes and populations there are.
    priors : (float, float)
        In units of ``n_features`` rows: what the pooled covariance counts in S_k, and what the
        guess counts in a cell (and P in P_c).

    Returns
    -------
    Moments
        Of the cells; cell ``c * n_classes + k`` is class k in population c.
    """
    n_classes, n_populations = shape
    d, cells = u.shape[1], populations * n_classes + codes
    prior, own = (share * d for share in priors)
    means = np.stack([u[cells == j].mean(axis=0) for j in range(n_classes * n_populations)])
    centred = u - means[cells]
    pooled = _pooled(centred, u)
    inverse = matrix_power(pooled, -0.5)
    of_class = [_shrunk(centred[codes == k], pooled, prior) for k in range(n_classes)]
    relative = [inverse @ S @ inverse for S in of_class]
    covariances = []
    for c in range(n_populations):
        root = matrix_power(_shrunk(centred[populations == c], pooled, own), 0.5)
        for k in range(n_classes):
            rows = centred[cells == c * n_classes + k]
            covariances.append(_shrunk(rows, root @ relative[k] @ root, own))
    return Moments(means, np.stack(covariances))


def _pooled(centred, u):
    return centred.T @ centred / len(u) + 1e-6 * np.var(u) * np.eye(u.shape[1])


def _shrunk(rows, guess, weight):
    return (rows.T @ rows + weight * guess) / (len(rows) + weight)
