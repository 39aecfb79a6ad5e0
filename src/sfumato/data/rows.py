"""Rows of embeddings: their length, those of zeros, and whether all are one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NO_DIRECTION = "an embedding of zeros has no direction; drop the row or embed the photo again"
#: Fewer equal rows may be copies of one photo.
MIN_ROWS = 20
#: Rows that differ by less than this share of their length are one row, rounded.
ROUNDING = 1e-6


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


def zero_rows(X: NDArray[Any]) -> NDArray[np.int64]:
    """Return the numbers of the rows that are zero.

    Examples
    --------
    >>> zero_rows(np.array([[0.0, 1.0], [0.0, 0.0]])).tolist()
    [1]
    """
    rows = np.flatnonzero(X[:, 0] == 0)  # Few rows begin with a zero.
    return rows[~X[rows].any(axis=1)]


class OneRow:
    """Whether all rows that are added, batch by batch, are one and the same.

    Parameters
    ----------
    by_direction : bool
        Compare directions alone; rows of zeros are left out.

    Attributes
    ----------
    n_rows : int
        Rows that were looked at; after the first other row no more are.

    Examples
    --------
    >>> rows = OneRow(by_direction=True)
    >>> rows.add(np.repeat([[1.0, 2.0], [2.0, 4.0]], 10, axis=0)).found
    True
    >>> rows.add(np.array([[2.0, 1.0]])).found
    False
    """

    def __init__(self, *, by_direction: bool) -> None:
        self._by_direction = by_direction
        self._first: NDArray[np.float64] | None = None
        self._differ, self.n_rows = False, 0

    @property
    def found(self) -> bool:
        """Whether there are 20 rows or more and all of them are one."""
        return self.n_rows >= MIN_ROWS and not self._differ

    def add(self, X: NDArray[Any]) -> "OneRow":
        """Look at rows, of shape (n_samples, n_features); return self."""
        # Nearly always the first rows say it.
        for part in (X[:64], X[64:]):
            if not self._differ:
                self._look(part)
        return self

    def _look(self, X):
        X = np.asarray(X, dtype=np.float64)
        if self._by_direction:
            X = unit_rows(X[X.any(axis=1)])
        if len(X):
            self._first = X[:1] if self._first is None else self._first
            self.n_rows += len(X)
            limit = ROUNDING * np.abs(self._first).max(initial=0)
            self._differ = bool(np.abs(X - self._first).max(initial=0) > limit)
