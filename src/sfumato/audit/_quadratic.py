"""The quadratic discriminant, which reads classes off their covariances, for any rows."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class ShrunkQuadratic(ClassifierMixin, BaseEstimator):
    """A Gaussian a class, its covariance shrunk towards a multiple of the identity.

    As scikit-learn's with ``solver="eigen"``, but a class whose rows are all one (erased to a
    point) is a narrow Gaussian and no error, and many shrinkages share one decomposition.

    Parameters
    ----------
    shrinkage : float in [0, 1], default=0.1

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    """

    def __init__(self, *, shrinkage: float = 0.1) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on rows and their classes."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        self.classes_ = np.unique(y)
        self._gaussians = [_gaussian(X[y == name], len(X)) for name in self.classes_]
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each row."""
        return next(iter(self.predict_all([self.shrinkage], X)))

    def predict_all(self, shrinkages: list[float], X: ArrayLike) -> Iterable[NDArray[Any]]:
        """Yield the class of each row, by each shrinkage."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        squares = [((X - mean) @ axes) ** 2 for mean, axes, _, _ in self._gaussians]
        for share in shrinkages:
            densities = []
            for square, (_, _, variances, prior) in zip(squares, self._gaussians, strict=True):
                shrunk = (1 - share) * variances + share * variances.mean()
                shrunk = shrunk.clip(np.finfo(np.float32).tiny)
                densities.append(prior - (square @ (1 / shrunk) + np.log(shrunk).sum()) / 2)
            yield self.classes_[np.argmax(densities, axis=0)]


def _gaussian(rows, n_rows):
    """Return the mean, axes, variances and log prior of one class."""
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    centred = rows - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(rows))
    return mean, axes, variances, np.log(len(rows) / n_rows)
