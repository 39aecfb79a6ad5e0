"""Optimal transport between Gaussians, in closed form.

Between N(m_0, S_0) and N(m_1, S_1) the squared 2-Wasserstein distance is

    |m_0 - m_1|^2 + tr(S_0 + S_1 - 2 (S_1^(1/2) S_0 S_1^(1/2))^(1/2)),

the optimal map is ``m_1 + (x - m_0) A`` with ``A = S_0^(-1/2) (S_0^(1/2) S_1 S_0^(1/2))^(1/2)
S_0^(-1/2)`` [1]_, and the barycentre is Gaussian: its mean is the mean of the means, its
covariance the fixed point of [2]_, Eq. 7.

References
----------
.. [1] Peyre, Cuturi, "Computational Optimal Transport", 2019, Remark 2.31.
.. [2] Alvarez-Esteban, del Barrio, Cuesta-Albertos, Matran, "A fixed-point approach to
   barycenters in Wasserstein space", JMAA 2016, arXiv:1511.05355.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-10


def matrix_power(S: NDArray[Any], exponent: float) -> Any:
    """Return a power of a symmetric positive matrix; eigenvalues are floored at 1e-10 of the top.

    Parameters
    ----------
    S : ndarray of shape (n_features, n_features)
    exponent : float
        0.5 for the root, -0.5 for its inverse.
    """
    eigenvalues, vectors = np.linalg.eigh((S + S.T) / 2)
    floor = FLOOR * max(eigenvalues[-1], np.finfo(float).tiny)
    return (vectors * np.maximum(eigenvalues, floor) ** exponent) @ vectors.T


def barycentre_covariance(
    covariances: NDArray[Any], *, n_iterations: int = 50, tolerance: float = 1e-9
) -> Any:
    """Return the covariance of the equally weighted Wasserstein barycentre of Gaussians.

    Parameters
    ----------
    covariances : ndarray of shape (n_classes, n_features, n_features)
    n_iterations : int, default=50
    tolerance : float, default=1e-9
        Stop when an iteration changes the trace by less than this share.
    """
    S = np.mean(covariances, axis=0)
    for _ in range(n_iterations):
        root, inverse = matrix_power(S, 0.5), matrix_power(S, -0.5)
        mean = np.mean([matrix_power(root @ C @ root, 0.5) for C in covariances], axis=0)
        trace, S = np.trace(S), inverse @ mean @ mean @ inverse
        if abs(np.trace(S) - trace) <= tolerance * trace:
            break
    return S


def transport_map(source: NDArray[Any], target: NDArray[Any]) -> Any:
    """Return the symmetric A with ``A source A == target``: the optimal map's linear part.

    Parameters
    ----------
    source, target : ndarray of shape (n_features, n_features)
        Covariances.
    """
    root, inverse = matrix_power(source, 0.5), matrix_power(source, -0.5)
    return inverse @ matrix_power(root @ target @ root, 0.5) @ inverse
