"""Incremental variable elimination (IVE) [1]_.

Features are standardised; a random forest learns the attribute and ranks them by importance;
the most important ones are dropped. Then the next forest learns from those that are left:

    I_t = importances of a forest trained on the features F_t
    F_(t+1) = F_t without its k features of largest I_t

The output holds the features that are left after the last step.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestClassifier

from sfumato._constraints import POSITIVE_INT, SEED
from sfumato._fitted import COUNT, Array
from sfumato.data.rows import unit_rows
from sfumato.erasers._attributes import cross
from sfumato.erasers.base import Eraser
from sfumato.errors import InputError
from sfumato.outcomes import Progress

TREE_ROWS = 10_000


class IveEraser(Eraser):
    """Drop, step by step, the features in which a random forest reads the attribute [1]_.

    Parameters
    ----------
    n_steps : int, default=20
        Steps, each with a forest of its own (the authors' example for 128 features).
    n_eliminations : int, default=5
        Features dropped a step (same example).
    n_trees : int, default=30
        Trees of each forest (same example).
    seed : int, default=0

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_features,)
        Of the fitted rows at unit length.
    kept_ : ndarray of int64 of shape (n_kept,)
        Columns that are left, ascending.
    eliminated_ : ndarray of int64 of shape (n_steps * n_eliminations,)
        Columns in the order in which they were dropped.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised: what features say together, and what correlated features repeat, stays.
    Output and input cannot be compared, since the output has fewer features. Several attributes
    are crossed; :class:`~sfumato.erasers.multi_ive.MultiIveEraser` has other ways.

    Choices where the paper is silent: rows are scaled to unit length before they are
    standardised, so the length of a template plays no part; features of equal importance go in
    the order of their columns; a tree draws at most 10,000 rows, which changes importances
    little and saves two thirds of the time for 37,000.

    References
    ----------
    .. [1] Terhörst, Damer, Kirchbuchner, Kuijper, "Suppressing gender and age in face templates
       using incremental variable elimination", ICB 2019.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> y = X[:, 2] > 0
    >>> IveEraser(n_steps=1, n_eliminations=1).fit(X, y).kept_
    array([0, 1, 3])
    """

    constraints = {
        "n_steps": POSITIVE_INT,
        "n_eliminations": POSITIVE_INT,
        "n_trees": POSITIVE_INT,
        "seed": SEED,
    }
    strength = ("n_steps", (5, 10, 15, 20))

    fitted = {
        "n_features_in_": COUNT,
        "mean_": Array("d"),
        "scale_": Array("d"),
        "eliminated_": Array("e"),
        "kept_": Array("k"),
    }

    def __init__(
        self, *, n_steps: int = 20, n_eliminations: int = 5, n_trees: int = 30, seed: int = 0
    ) -> None:
        self.n_steps = n_steps
        self.n_eliminations = n_eliminations
        self.n_trees = n_trees
        self.seed = seed

    def _fit(self, X, y, *, identity, context, primary, progress):
        codes = cross(y).codes
        check_eliminations(self, X.shape[1], X.shape[1])
        self.mean_, self.scale_ = standardisation(X)
        rank = forest_ranking(standardised(X, self.mean_, self.scale_), self.n_trees, self.seed)
        shares = [(codes, self.n_eliminations)]
        self.eliminated_ = eliminate(
            rank, shares, np.arange(X.shape[1]), n_steps=self.n_steps, progress=progress
        )
        self.kept_ = np.setdiff1d(np.arange(X.shape[1]), self.eliminated_)

    def _transform(self, X):
        return standardised(X, self.mean_, self.scale_)[:, self.kept_]

    def _add_to(self, graph, x):
        columns = np.eye(self.n_features_in_)[:, self.kept_]
        return add_standardised(graph, x, self, columns)


def check_eliminations(eraser: Any, n_candidates: Any, n_features: Any) -> None:
    """Raise InputError for steps that leave no candidate."""
    n_dropped = eraser.n_steps * eraser.n_eliminations
    if n_dropped >= n_candidates:
        raise InputError(
            f"n_steps * n_eliminations must be below the {n_candidates} that may be dropped of "
            f"n_features = {n_features}, got {n_dropped}; take fewer steps."
        )


def standardisation(X: ArrayLike) -> tuple[Any, ...]:
    """Return mean and standard deviation (1 where it vanishes) of the rows at unit length."""
    X = unit_rows(X)
    scale = X.std(axis=0)
    return X.mean(axis=0), np.where(scale > 1e-12, scale, 1.0)


def standardised(X: NDArray[Any], mean: Any, scale: Any) -> Any:
    """Return the rows at unit length, less ``mean``, over ``scale``; of the type of ``X``."""
    return (unit_rows(X) - mean.astype(X.dtype)) / scale.astype(X.dtype)


def add_standardised(graph: Any, x: Any, eraser: Any, matrix: Any) -> Any:
    """Add :func:`standardised` rows times a matrix to an ONNX graph; return the value."""
    matrix = matrix / eraser.scale_[:, None]
    return graph.affine(graph.unit_rows(x), matrix, -eraser.mean_ @ matrix)


def forest_ranking(Z: NDArray[Any], n_trees: int, seed: int) -> Callable[..., Any]:
    """Return ``rank(columns, codes, step)``, the importances of columns for a class.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_features)
    n_trees, seed : int

    Returns
    -------
    callable
        Trains a forest on ``Z[:, columns]`` and ``codes``; its importances sum to 1.
    """
    Z = Z.astype(np.float32)  # As the trees take it.
    rows = min(TREE_ROWS, len(Z))

    def rank(columns, codes, step):
        state = (seed + step) % 2**32
        forest = RandomForestClassifier(n_trees, max_samples=rows, random_state=state)
        return forest.fit(Z[:, columns], codes).feature_importances_

    return rank


def eliminate(
    rank: Callable[..., Any],
    shares: list[Any],
    candidates: NDArray[np.int64],
    *,
    n_steps: int,
    progress: Progress | None = None,
) -> NDArray[np.int64]:
    """Drop columns step by step, the most important first.

    Parameters
    ----------
    rank : callable
        ``rank(columns, codes, step)`` returns the importances of ``columns``.
    shares : list of (codes, n_eliminations)
        In each step these take turns: each drops its most important columns of those left. A
        list of codes has its importances summed.
    candidates : ndarray of int64
        Columns that may be dropped.
    n_steps : int
    progress : callable, optional

    Returns
    -------
    ndarray of int64
        The columns in the order in which they are dropped.
    """
    left, dropped = candidates, []
    for step in range(n_steps):
        for codes, n_eliminations in shares:
            several = codes if isinstance(codes, list) else [codes]
            importance = sum(rank(left, each, step) for each in several)
            worst = np.argsort(-importance, kind="stable")[:n_eliminations]
            dropped.append(left[worst])
            left = np.delete(left, worst)
        if progress is not None:
            progress(step + 1, n_steps, "steps")
    return np.concatenate(dropped)
