"""Kernel ridge with a cubic kernel, an attacker that reads products of three features."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from sfumato.audit.attackers import Attacker, train_attacker
from sfumato.audit.views import attack_views
from sfumato.data.splits import balanced_rows
from sfumato.metrics.leakage import BootstrappedAccuracy

CUBIC = "cubic kernel ridge"


class CubicRidge(ClassifierMixin, BaseEstimator):
    """Regress the classes on ``(x . x' / n_features + 1) ** 3`` and predict the largest.

    Parameters
    ----------
    alpha : float > 0, default=30
        Ridge.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    """

    def __init__(self, *, alpha: float = 30.0) -> None:
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on rows and their classes."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._ridge = KernelRidge(alpha=self.alpha, kernel="poly", degree=3)
        self._ridge.fit(X, np.eye(len(self.classes_))[codes])
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each row."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.classes_[self._ridge.predict(X).argmax(axis=1)]


def cubic_ridge() -> Attacker:
    """Return the attacker and its grid; it scales its input as the others do."""
    estimator = make_pipeline(StandardScaler(), CubicRidge())
    return Attacker(CUBIC, estimator, {"alpha": [3.0, 30.0, 300.0]})


def attack(train: Any, test: Any, metric: str, *, max_rows: int, seed: int) -> tuple[float, float]:
    """Return what the attacker reads of validation people and of test people.

    Parameters
    ----------
    train, test : dict
        ``X``, ``y`` and ``identity`` of the attacker's people and of others.
    metric : str
        Says what an attacker sees, see :func:`~sfumato.audit.views.attack_views`.
    max_rows : int
        At most so many training rows, balanced over the classes.
    seed : int
    """
    y = np.asarray(train["y"]).astype(str)
    rows = balanced_rows(y, seed=seed, max_rows=max_rows)
    X, X_test = (attack_views(np.asarray(side["X"]), metric)["polar"] for side in (train, test))
    trained = train_attacker(cubic_ridge(), X[rows], y[rows], np.asarray(train["identity"])[rows])
    truth = np.asarray(test["y"]).astype(str)
    judge = BootstrappedAccuracy(truth, test["identity"], n_resamples=1, seed=seed)
    return trained.validation, judge.value(trained.estimator.predict(X_test) == truth)
