"""LEACE: least-squares concept erasure in closed form [1]_.

The map is affine: with ``W = Sigma_xx^(-1/2)`` and ``P`` the orthogonal projection onto the
columns of ``W Sigma_xz``,

    r(x) = x - W^+ P W (x - E[x])                                   (Theorem 4.3)

is the closest map to the identity, in mean square, with ``Cov(r(X), Z) = 0``.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sfumato._fitted import COUNT, Array
from sfumato.errors import InputError

CHUNK_BYTES = 1 << 24
CHUNK_ROWS = 1 << 15


class LeaceEraser(TransformerMixin, BaseEstimator):
    """Remove what a linear attacker reads of one or several attributes, changing least [1]_.

    Parameters
    ----------
    rtol : float, default=1e-5
        Erase the directions of the whitened cross-covariance whose singular value exceeds
        ``rtol`` times the largest.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Mean embedding.
    coefficients_, updates_ : ndarray of shape (n_directions, n_features)
        The map is ``x - ((x - mean_) @ coefficients_.T) @ updates_``.
    n_features_in_ : int

    Notes
    -----
    On the fitted rows no linear attacker, trained with any convex loss, beats a constant [1]_,
    Theorem 3.1. Nothing is promised against others: differences of the classes' covariances
    stay, and a quadratic or RBF attacker reads them. Audit with both.

    Deviations: an eigenvalue of ``Sigma_xx`` below rounding error is raised to it instead of
    dropped, so the cross-covariance vanishes in directions without variance too.

    References
    ----------
    .. [1] Belrose et al., "LEACE: Perfect linear concept erasure in closed form",
       NeurIPS 2023, arXiv:2306.03819.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 0.0], [3.0, 2.0]])
    >>> y = ["f", "f", "m", "m"]
    >>> erased = LeaceEraser().fit_transform(X, y)
    >>> np.allclose(erased[:2].mean(axis=0), erased[2:].mean(axis=0))
    True
    """

    fitted = {
        "n_features_in_": COUNT,
        "mean_": Array("d"),
        "coefficients_": Array("k", "d"),
        "updates_": Array("k", "d"),
    }

    def __init__(self, *, rtol=1e-5):
        self.rtol = rtol

    def fit(self, X, y):
        """Learn the map from embeddings and their protected attributes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_attributes)
            Columns of floats are continuous attributes, all others categorical.

        Returns
        -------
        self
        """
        self.__dict__.pop("_moments", None)
        return self.partial_fit(X, y)

    def partial_fit(self, X, y):
        """Add more rows, in O(n_features^2) memory, and update the map.

        Calls over parts of a table give the same map as one :meth:`fit` over all of it. A class
        may turn up for the first time in any part.
        """
        first = not hasattr(self, "_moments")
        dtypes = [np.float64, np.float32]
        X, y = validate_data(self, X, y, dtype=dtypes, multi_output=True, reset=first)
        if first:
            self._moments = _Moments(X, y)
        self._moments.add(X, y)
        self._solve()
        return self

    def transform(self, X):
        """Return the embeddings without the attributes; float32 stays float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return apply_low_rank(X, self.mean_, self.coefficients_, self.updates_)

    def affine_map(self):
        """Return ``(A, b)`` with ``transform(X) == X @ A + b``; shapes (d, d) and (d,)."""
        check_is_fitted(self)
        removed = self.coefficients_.T @ self.updates_
        return np.eye(self.n_features_in_) - removed, self.mean_ @ removed

    def _solve(self):
        mean, covariance, cross = self._moments.summary()
        eigenvalues, vectors = np.linalg.eigh(covariance)
        floor = self._moments.epsilon * max(eigenvalues[-1], np.finfo(float).tiny)
        scale = np.sqrt(np.maximum(eigenvalues, floor))
        # W = V diag(1 / scale) V'; its inverse is V diag(scale) V'.
        whitened = vectors @ ((vectors.T @ cross) / scale[:, None])
        u, s, _ = np.linalg.svd(whitened, full_matrices=False)
        u = u[:, s > self.rtol * s[0]] if s[0] > 0 else u[:, :0]
        self.mean_ = mean
        self.coefficients_ = (vectors @ ((vectors.T @ u) / scale[:, None])).T
        self.updates_ = (vectors @ ((vectors.T @ u) * scale[:, None])).T


class _Moments:
    """Sums over rows from which mean, covariance and cross-covariance follow.

    Where the mean outweighs the spread, rows are counted from a shift near it, so that no
    digits cancel; elsewhere the shift, a copy of all rows, is saved.
    """

    def __init__(self, X, y):
        d = X.shape[1]
        first = X[:CHUNK_ROWS]
        mean, variance = first.mean(axis=0, dtype=np.float64), first.var(axis=0, dtype=np.float64)
        self.shift = mean if np.any(mean**2 > 4 * variance) else None
        self.n_rows = 0
        self.total = np.zeros(d)
        self.square = np.zeros((d, d))
        self.columns: list[Any] = [
            {} if kind == "class" else [0.0, np.zeros(d)] for kind in _kinds(y)
        ]
        # Products of float32 chunks carry float32 rounding.
        self.epsilon = np.finfo(X.dtype).eps

    def add(self, X, y):
        columns = [_coded(values) for values in _columns(y)]
        if len(columns) != len(self.columns):
            raise InputError(
                f"y has {len(columns)} attributes, the first part {len(self.columns)}."
            )
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

    def summary(self):
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


def _columns(y):
    return [y] if y.ndim == 1 else list(y.T)


def _kinds(y):
    return ["number" if _is_continuous(values) else "class" for values in _columns(y)]


def _is_continuous(values):
    if values.dtype == object:
        return all(isinstance(value, float) for value in values)
    return np.issubdtype(values.dtype, np.floating)


def _coded(values):
    """Return class names and the number of each row's class, or None and the numbers."""
    if _is_continuous(values):
        return None, values
    names, codes = np.unique(values, return_inverse=True)
    return names.tolist(), codes


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


def chunk_rows(X):
    """Return how many rows of ``X`` fill about 16 MiB."""
    return max(CHUNK_BYTES // (X.shape[1] * X.itemsize), 1)


def apply_low_rank(X, mean, coefficients, updates):
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
    step = chunk_rows(X)
    for start in range(0, len(X), step):
        rows = X[start : start + step]
        part = out[start : start + step]
        np.matmul(rows @ coefficients.T - constant, updates, out=part)
        np.subtract(rows, part, out=part)
    return out
