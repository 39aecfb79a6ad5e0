"""The similarity attack on protected templates (Osorio-Roig et al. [1]_)."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sfumato.metrics.comparators import comparator
from sfumato.validation import check_choice

AGGREGATES = ("max", "mean", "log", "linear")
BLOCK = 1024


class SimilarityAttacker(ClassifierMixin, BaseEstimator):
    """Read an attribute from the scores of a matcher against a labelled protected database.

    The ``n_top`` best scores of a template against each class's rows are aggregated, and the
    class with the largest aggregate is predicted [1]_. Nothing is trained, so it works on
    templates that classifiers cannot read, as long as they can be compared.

    Parameters
    ----------
    aggregate : {"max", "mean", "log", "linear"}, default="mean"
        Of the ranked scores ``s_1 >= s_2 >= ...``: the largest; the mean; the sum of
        ``-log10(r / (r + 1)) * s_r``; the sum of ``(1 - r / (r + 1)) * s_r``.
    n_top : int, default=10
        How many scores of each class enter.
    metric : str, default="cosine"
        The matcher's, of :mod:`sfumato.metrics.comparators`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    database_ : ndarray of shape (n_samples, n_features)
        Rows ready for comparison (of unit length for the cosine), sorted by class.
    labels_ : ndarray of shape (n_samples,)
        Class number of each row.

    References
    ----------
    .. [1] Osorio-Roig et al., "An attack on facial soft-biometric privacy enhancement",
       IEEE TBIOM 2022, arXiv:2111.12405.
    """

    def __init__(
        self, *, aggregate: str = "mean", n_top: int = 10, metric: str = "cosine"
    ) -> None:
        self.aggregate = aggregate
        self.n_top = n_top
        self.metric = metric

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Store the labelled database."""
        check_choice(self.aggregate, AGGREGATES, "aggregate")
        matcher = comparator(self.metric)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        self.database_, self.labels_ = matcher.prepare(X[order]), codes[order]
        return self

    def decision_table(self, X: ArrayLike, *, exclude_self: bool = False) -> Any:
        """Return every class's aggregate, an array of shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        ranked = self._ranked(X, self.n_top, exclude_self)
        return np.stack([_aggregate(top, self.aggregate) for top in ranked], axis=1)

    def predict(self, X: ArrayLike) -> Any:
        """Return the class with the largest aggregate for each row."""
        table = self.decision_table(X)
        return self.classes_[table.argmax(axis=1)]

    def score_without_self(self) -> float:
        """Return the balanced accuracy on the database, each row compared with the others."""
        table = self.decision_table(self.database_, exclude_self=True)
        return float(balanced_accuracy_score(self.labels_, table.argmax(axis=1)))

    def tune(self, X: NDArray[Any], y: NDArray[Any], folds: Any, grid: Any) -> tuple[Any, ...]:
        """Return the best parameters of a grid and their mean balanced accuracy over folds.

        The scores of a fold are ranked once for the whole grid.
        """
        grid = list(grid)
        n_most = max(choice["n_top"] for choice in grid)
        totals = np.zeros(len(grid))
        for train, test in folds:
            inner = SimilarityAttacker(metric=self.metric).fit(X[train], y[train])
            ranked = inner._ranked(X[test], n_most)
            for number, choice in enumerate(grid):
                table = [_aggregate(t[:, : choice["n_top"]], choice["aggregate"]) for t in ranked]
                predicted = inner.classes_[np.argmax(table, axis=0)]
                totals[number] += balanced_accuracy_score(y[test], predicted)
        best = int(totals.argmax())
        return grid[best], float(totals[best] / len(folds))

    def _ranked(self, X, n_top, exclude_self=False):
        """Return per class the ``n_top`` best scores of every row, best first."""
        matcher, labels, parts = comparator(self.metric), self.labels_, []
        X, ends = matcher.prepare(X), np.flatnonzero(np.diff(labels)) + 1
        for start in range(0, len(X), BLOCK):
            scores = matcher.matrix(X[start : start + BLOCK], self.database_)
            if exclude_self:
                rows = np.arange(len(scores))
                scores[rows, start + rows] = -np.inf
            # Columns are sorted by class.
            parts.append([_top(own, n_top) for own in np.split(scores, ends, axis=1)])
        return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _top(scores, n_top):
    n_top = min(n_top, scores.shape[1] - 1) or 1
    if n_top < scores.shape[1]:
        scores = np.partition(scores, -n_top, axis=1)[:, -n_top:]
    return np.sort(scores, axis=1)[:, ::-1]


def _aggregate(top, aggregate):
    rank = np.arange(1, top.shape[1] + 1)
    if aggregate == "max":
        return top[:, 0]
    if aggregate == "mean":
        return top.mean(axis=1)
    if aggregate == "log":
        return top @ -np.log10(rank / (rank + 1))
    return top @ (1 - rank / (rank + 1))
