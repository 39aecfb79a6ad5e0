"""Classifiers on kernels, computed once a fold for all settings of a grid."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

# A kernel matrix holds the square of it; beyond, the solver computes the kernel as it goes.
KERNEL_ROWS = 8000
BLOCK = 2048
CACHE_MIB = 1000


class RbfSVC(ClassifierMixin, BaseEstimator):
    """A support vector machine with the kernel ``exp(-gamma * |x - x'|^2)``.

    Scikit-learn's ``SVC`` on distances that BLAS computes, several times as fast.

    Parameters
    ----------
    C : float > 0, default=1
    gamma : float > 0, default=1

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    """

    def __init__(self, *, C: float = 1.0, gamma: float = 1.0) -> None:
        self.C = C
        self.gamma = gamma

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on rows and their classes."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        self._rows = X
        if len(X) > KERNEL_ROWS:
            self._svc = SVC(C=self.C, gamma=self.gamma, cache_size=CACHE_MIB).fit(X, y)
        else:
            kernel = rbf(squared_distances(X, X), self.gamma)
            self._svc = precomputed(self.C).fit(kernel, y)
        self.classes_ = self._svc.classes_
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each row."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        if self._svc.kernel == "rbf":
            return self._svc.predict(X)
        found = [
            self._svc.predict(
                rbf(squared_distances(X[start : start + BLOCK], self._rows), self.gamma)
            )
            for start in range(0, len(X), BLOCK)
        ]
        return np.concatenate(found)


class CubicRidge(ClassifierMixin, BaseEstimator):
    """Regress the classes on ``(x . x' / n_features + 1) ** 3`` and predict the largest.

    Reads products of up to three features.

    Parameters
    ----------
    alpha : float > 0, default=30
        Ridge.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    Of more than 8,000 rows a random 8,000 are fitted on: the matrix to be solved holds the square
    of them.
    """

    def __init__(self, *, alpha: float = 30.0) -> None:
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on rows and their classes."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        self.classes_, codes = np.unique(y, return_inverse=True)
        rows = at_most(len(X))
        self._rows = X[rows]
        kernel = cubic(self._rows, self._rows)
        self._weights = solve_ridge(kernel, one_hot(codes[rows]), self.alpha)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each row."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        found = [
            cubic(X[start : start + BLOCK], self._rows) @ self._weights
            for start in range(0, len(X), BLOCK)
        ]
        return self.classes_[np.concatenate(found).argmax(axis=1)]


def at_most(n_rows: int) -> Any:
    """Return which rows a kernel ridge is fitted on: all, or a random part."""
    if n_rows <= KERNEL_ROWS:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(n_rows, KERNEL_ROWS, replace=False))


def one_hot(codes: NDArray[Any]) -> NDArray[np.float64]:
    """Return a column a class, 1 where the row is of it."""
    return np.eye(codes.max() + 1)[codes]


def cubic(A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
    """Return ``(a . b / n_features + 1) ** 3`` of all pairs of rows, shape (n_a, n_b)."""
    found = A @ B.T
    found /= A.shape[1]
    found += 1
    return found**3


def solve_ridge(kernel: NDArray[Any], Y: NDArray[Any], alpha: float) -> NDArray[Any]:
    """Return the weights ``(kernel + alpha) ** -1 Y``, shape (n_rows, n_columns).

    In float32 where its rounding is far below ``alpha``, twice as fast.
    """
    safe = np.finfo(kernel.dtype).eps * kernel.max() * len(kernel) < alpha / 10
    matrix = kernel.copy() if safe else kernel.astype(np.float64)
    matrix.flat[:: len(matrix) + 1] += alpha
    factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    return cho_solve(factor, Y.astype(matrix.dtype), check_finite=False)


def precomputed(C: float) -> SVC:
    """Return an unfitted machine on kernel matrices."""
    return SVC(C=C, kernel="precomputed", cache_size=CACHE_MIB)


def squared_distances(A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
    """Return ``|a - b|^2`` of all pairs of rows, shape (n_a, n_b)."""
    found = A @ B.T
    found *= -2
    found += np.einsum("ij,ij->i", A, A)[:, None]
    found += np.einsum("ij,ij->i", B, B)
    return np.maximum(found, 0, out=found)


def rbf(distances: NDArray[Any], gamma: float) -> NDArray[np.float64]:
    """Return the kernel of squared distances."""
    kernel = np.empty(distances.shape)
    np.multiply(distances, distances.dtype.type(-gamma), out=kernel)
    return np.exp(kernel, out=kernel, dtype=distances.dtype, casting="same_kind")
