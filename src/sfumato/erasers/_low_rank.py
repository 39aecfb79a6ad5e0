"""Maps that change a few directions of an embedding, applied chunk by chunk."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 1 << 24


def apply_low_rank(
    X: NDArray[Any], mean: NDArray[Any], coefficients: NDArray[Any], updates: NDArray[Any]
) -> NDArray[Any]:
    """Return ``X - ((X - mean) @ coefficients.T) @ updates`` without a (d, d) product.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    mean : ndarray of shape (n_features,)
    coefficients, updates : ndarray of shape (n_directions, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_features), of the type of ``X``
    """
    coefficients, updates = coefficients.astype(X.dtype), updates.astype(X.dtype)
    constant = coefficients @ mean.astype(X.dtype)
    out = np.empty_like(X, order="C")
    step = max(CHUNK_BYTES // (X.shape[1] * X.itemsize), 1)
    for start in range(0, len(X), step):
        rows = X[start : start + step]
        part = out[start : start + step]
        np.matmul(rows @ coefficients.T - constant, updates, out=part)
        np.subtract(rows, part, out=part)
    return out


def add_affine_map(graph: Any, x: str, transform: Any, n_features: int) -> str:
    """Add an affine map to an ONNX graph and return its value.

    Parameters
    ----------
    graph : Graph
    x : str
    transform : callable
        The map; its images of the axes and of zero say all of it, in float64.
    n_features : int
    """
    points = np.vstack([np.zeros(n_features), np.eye(n_features)])
    images = transform(points)
    return graph.affine(x, images[1:] - images[0], images[0])
