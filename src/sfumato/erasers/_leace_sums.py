"""Sums over rows from which LEACE's map follows; they may come part by part."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS = 1 << 15


class LeaceSums:
    """Sums over rows from which mean, covariance and cross-covariance follow.

    Where the mean outweighs the spread, rows are counted from a shift near it, so that no
    digits cancel; elsewhere the shift, a copy of all rows, is saved.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The first rows, to choose the shift by; they are not added.
    continuous : list of bool
        Of each attribute: numbers on a scale, or classes.
    """

    def __init__(self, X: NDArray[Any], continuous: list[bool]) -> None:
        d = X.shape[1]
        first = X[:CHUNK_ROWS]
        mean, variance = first.mean(axis=0, dtype=np.float64), first.var(axis=0, dtype=np.float64)
        self.shift = mean if np.any(mean**2 > 4 * variance) else None
        self.n_rows = 0
        self.total = np.zeros(d)
        self.square = np.zeros((d, d))
        self.columns: list[Any] = [[0.0, np.zeros(d)] if each else {} for each in continuous]
        # Products of float32 chunks carry float32 rounding.
        self.epsilon = np.finfo(X.dtype).eps

    def add(self, X: NDArray[Any], columns: list[tuple[list[str] | None, NDArray[Any]]]) -> None:
        """Add rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        columns : list of (classes, values)
            One an attribute: names and the number of each row's class, or None and numbers.
        """
        for start in range(0, len(X), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            part = X[rows] if self.shift is None else X[rows] - self.shift.astype(X.dtype)
            indicators = [_indicators(names, values[rows], X.dtype) for names, values in columns]
            # One pass over the rows for all sums: of all, and by class or weighted.
            ones = np.ones((1, len(part)), dtype=X.dtype)
            sums = (np.concatenate([ones, *indicators]) @ part).astype(np.float64)
            self.square += part.T @ part
            self.total += sums[0]
            place = 1
            for (names, _), matrix, column in zip(columns, indicators, self.columns, strict=True):
                counts = matrix.sum(axis=1, dtype=np.float64)
                _add_sums(column, names, counts, sums[place : place + len(matrix)])
                place += len(matrix)
        self.n_rows += len(X)

    def summary(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return mean (d,), covariance (d, d) and cross-covariance (d, n_z)."""
        n, offset = self.n_rows, self.total / self.n_rows
        covariance = self.square / n - np.outer(offset, offset)
        cross = []
        for sums in self.columns:
            if isinstance(sums, dict):
                cross += [total / n - count / n * offset for count, total in sums.values()]
            else:
                cross.append(sums[1] / n - sums[0] / n * offset)
        mean = offset if self.shift is None else self.shift + offset
        return mean, covariance, np.stack(cross, axis=1)


def _indicators(names, values, dtype):
    """Return one row of zeros and ones a class, or the one row of numbers."""
    if names is None:
        return values.astype(dtype)[None]
    return (values == np.arange(len(names))[:, None]).astype(dtype)


def _add_sums(column, names, counts, totals):
    if names is None:
        column[0] += counts[0]
        column[1] += totals[0]
        return
    for name, count, total in zip(names, counts, totals, strict=True):
        seen = column.get(name, (0, 0.0))
        column[name] = (seen[0] + count, seen[1] + total)
