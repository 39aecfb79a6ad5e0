"""Rows of embeddings."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def unit_rows(X: ArrayLike) -> Any:
    """Return the rows scaled to unit length, of the type of ``X``; a zero row stays zero.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(norms > 0, norms, 1)
