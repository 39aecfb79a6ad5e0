"""How attackers are tuned: every setting of a grid on the same people held out.

What the settings of a grid share is computed once a fold: scaled rows, distances, neighbours,
eigenvectors. The figures are those of a plain grid search, but a setting that falls far behind the
best on the first fold is not tried on the others: by more than :data:`BEHIND`, and by more than
:data:`NOISE` standard errors of the accuracy of so few rows.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline

from sfumato.audit._kernels import (
    KERNEL_ROWS,
    at_most,
    cubic,
    one_hot,
    precomputed,
    rbf,
    solve_ridge,
    squared_distances,
)

BEHIND = 0.03
NOISE = 3

Score = Callable[[list[dict[str, Any]], Any, Any, Any, Any], Iterable[NDArray[Any]]]


def race(
    score: Score, model: Any, grid: list[dict[str, Any]], X: Any, y: Any, folds: Any
) -> tuple[dict[str, Any], float]:
    """Return the best setting and its mean balanced accuracy over the folds.

    Parameters
    ----------
    score : callable
        ``score(settings, model, X, y, X_held_out)`` yields the predictions of each setting.
    model : classifier, or a pipeline of a scaler and a classifier
        Unfitted.
    grid : list of dict
        Settings of the classifier.
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    folds : list of (train, held_out)
    """
    left, totals = list(range(len(grid))), np.zeros(len(grid))
    for number, (train, held_out) in enumerate(folds):
        Z, Z_held_out, last = _scale(model, X[train], X[held_out])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            predicted = list(score([grid[k] for k in left], last, Z, y[train], Z_held_out))
        for k, labels in zip(left, predicted, strict=True):
            totals[k] += balanced_accuracy_score(y[held_out], labels)
        if number == 0:
            left = [k for k in left if totals[k] >= totals.max() - _margin(y[held_out])]
    best = max(left, key=lambda k: totals[k])
    return grid[best], float(totals[best] / len(folds))


def _margin(y):
    """Return the difference of two balanced accuracies beyond which chance does not explain it."""
    counts = np.unique(y, return_counts=True)[1]
    standard_error = np.sqrt((0.25 / counts).sum()) / len(counts)
    return max(BEHIND, NOISE * standard_error)


def _scale(model, X, X_held_out):
    """Return both parts as the classifier sees them, and the classifier."""
    if not isinstance(model, Pipeline):
        return X, X_held_out, model
    scaler = clone(model[0]).fit(X)
    return scaler.transform(X), scaler.transform(X_held_out), model[-1]


def one_by_one(settings, model, X, y, X_held_out):
    """Fit the classifier once a setting."""
    for setting in settings:
        yield clone(model).set_params(**setting).fit(X, y).predict(X_held_out)


def over_kernels(settings, model, X, y, X_held_out):
    """Compute the distances once for all widths and penalties, and solve on all cores."""
    if len(X) > KERNEL_ROWS:
        yield from one_by_one(settings, model, X, y, X_held_out)
        return
    distances, held_out = squared_distances(X, X), squared_distances(X_held_out, X)

    def predict(gamma):
        kernel, kernel_held_out = rbf(distances, gamma), rbf(held_out, gamma)
        return {
            C: precomputed(C).fit(kernel, y).predict(kernel_held_out)
            for C in [setting["C"] for setting in settings if setting["gamma"] == gamma]
        }

    widths = sorted({setting["gamma"] for setting in settings})
    # The solver holds no lock of Python's and uses one core.
    found = Parallel(n_jobs=-1, prefer="threads")(map(delayed(predict), widths))
    of_width = dict(zip(widths, found, strict=True))
    yield from (of_width[setting["gamma"]][setting["C"]] for setting in settings)


def over_ridges(settings, model, X, y, X_held_out):
    """Compute the cubic kernel once for all ridges."""
    classes, codes = np.unique(y, return_inverse=True)
    rows = at_most(len(X))
    kernel, held_out = cubic(X[rows], X[rows]), cubic(X_held_out, X[rows])
    for setting in settings:
        weights = solve_ridge(kernel, one_hot(codes[rows]), setting["alpha"])
        yield classes[(held_out @ weights).argmax(axis=1)]


def over_neighbours(settings, model, X, y, X_held_out):
    """Look the neighbours up once, for the largest number of them."""
    classes, codes = np.unique(y, return_inverse=True)
    most = max(setting["n_neighbors"] for setting in settings)
    nearest = NearestNeighbors(n_neighbors=most, algorithm=model.algorithm).fit(X)
    labels = codes[nearest.kneighbors(X_held_out, return_distance=False)]
    for setting in settings:
        near = labels[:, : setting["n_neighbors"]]
        votes = np.stack([(near == k).sum(axis=1) for k in range(len(classes))], axis=1)
        yield classes[votes.argmax(axis=1)]


def over_shrinkages(settings, model, X, y, X_held_out):
    """Decompose each class's covariance once: shrinking it moves its eigenvalues alone."""
    shares = [setting["shrinkage"] for setting in settings]
    yield from clone(model).fit(X, y).predict_all(shares, X_held_out)
