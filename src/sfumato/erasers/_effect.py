"""Whether a fitted map did anything to an attribute that can be read.

A map that keeps all distances, up to one factor, changes nothing for any matcher or attacker of
distances; a map that is merely weak is not judged here, that is the audit's work. So two looks
at a sample of the fitted rows: their distances are what they were, *and* a linear or a quadratic
reader of the attribute reads as much as before. Either alone would be unfair: an attribute may lie
in a direction that hardly shows in distances, and may be unreadable in the first place.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.metrics import balanced_accuracy_score

from sfumato.data.rows import MIN_ROWS, ROUNDING, unit_rows
from sfumato.erasers._attributes import Attribute
from sfumato.errors import InputError

N_ROWS = 1000
#: Of fewer features two or three directions are all.
MIN_FEATURES = 16
#: Share by which rows may move from each other and count as unmoved.
TOLERANCE = 1e-4


class Sample:
    """At most 1,000 of all rows that are added, each as likely as any other.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    columns : list of ndarray of shape (n_samples,)
    """

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._keys = np.empty(0)
        self.X = np.empty((0, 0))
        self.columns: list[NDArray[Any]] = []

    def add(self, X: NDArray[Any], columns: list[NDArray[Any]]) -> "Sample":
        """Add rows and the values of their attributes; return self."""
        keys = self._rng.random(len(X))
        if len(self._keys):
            X = np.concatenate([self.X, X])
            pairs = zip(self.columns, columns, strict=True)
            columns = [np.concatenate(pair) for pair in pairs]
            keys = np.concatenate([self._keys, keys])
        rows = np.sort(np.argsort(keys)[:N_ROWS])
        self.X, self._keys = X[rows], keys[rows]
        self.columns = [column[rows] for column in columns]
        return self


def check_effect(eraser: Any, sample: Sample, classes: list[list[str] | None]) -> None:
    """Raise InputError for a fitted eraser that erases nothing, and make it unfitted.

    Parameters
    ----------
    eraser : Eraser
    sample : Sample
        Of the fitted rows.
    classes : list of (list of str or None)
        Of each attribute, see :class:`~sfumato.erasers._attributes.Attribute`.
    """
    if becomes_one_row(eraser.transform, sample.X):
        _refuse(eraser, "leaves nothing: all rows become one, so nobody can be recognised")
    attributes = [Attribute(*each) for each in zip(classes, sample.columns, strict=True)]
    if erases_nothing(eraser.transform, sample.X, attributes):
        read = " and the labels are read as before" if attributes else ""
        _refuse(eraser, f"erases nothing: the rows lie as before{read}")


def _refuse(eraser, why):
    for name in [name for name in vars(eraser) if name.endswith("_")]:
        delattr(eraser, name)
    parameters = ", ".join(f"{name}={value!r}" for name, value in eraser.get_params().items())
    raise InputError(
        f"{type(eraser).__name__} {why}. Change the labels or the parameters: "
        f"{parameters or 'none'}."
    )


def becomes_one_row(transform: Callable[[NDArray[Any]], NDArray[Any]], X: NDArray[Any]) -> bool:
    """Return whether a map makes all rows the same.

    False for fewer than 20 rows or 16 features.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(20, 16))
    >>> becomes_one_row(np.zeros_like, X), becomes_one_row(lambda X: X, X)
    (True, False)
    """
    if len(X) < MIN_ROWS or X.shape[1] < MIN_FEATURES:
        return False
    after = transform(X).astype(np.float64)
    return bool(np.ptp(after, axis=0).max() <= ROUNDING * np.ptp(X, axis=0).max())


def erases_nothing(
    transform: Callable[[NDArray[Any]], NDArray[Any]],
    X: NDArray[Any],
    attributes: list[Attribute],
) -> bool:
    """Return whether a map leaves rows, and what is read of every attribute, as they were.

    Parameters
    ----------
    transform : callable
    X : ndarray of shape (n_samples, n_features)
    attributes : list of Attribute
        Without any, other rows than those given are all that is asked for.

    Returns
    -------
    bool
        False, too, for fewer than 20 rows.
    """
    if len(X) < MIN_ROWS:
        return False
    given, after = X.astype(np.float64), transform(X).astype(np.float64)
    if not attributes:
        if after.shape != given.shape:
            return False
        signs = (unit_rows(after), -unit_rows(after))
        return any(np.allclose(unit_rows(given), rows, rtol=0, atol=ROUNDING) for rows in signs)
    # Many methods scale rows to unit length, which alone protects nothing.
    before = min(given, unit_rows(given), key=lambda rows: moved(rows, after))
    if moved(before, after) > TOLERANCE:
        return False
    return any(_as_readable(before, after, each) for each in attributes)


def moved(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return by how much rows moved from each other; 0 if all distances kept their proportions.

    It is the Frobenius distance of the two matrices of products of the centred rows, both of
    norm 1. Shifts, turns and one factor for all rows leave it 0.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -3.0]])
    >>> round(moved(rows, 2 * rows[:, ::-1] + 5), 9)
    0.0
    >>> moved(rows, np.abs(rows)) > 0.5
    True
    """
    return float(np.linalg.norm(_products(before) - _products(after)))


def _products(X):
    centred = X - X.mean(axis=0)
    products = centred @ centred.T
    norm = np.linalg.norm(products)
    return products / norm if norm > 0 else products


def _as_readable(before, after, attribute):
    """Return whether some reader reads an attribute, and each that does reads it still."""
    found = [
        (one, other)
        for reader in _readers(attribute)
        for one, other in [(reader(before), reader(after))]
        if one > _noise(attribute)
    ]
    # A score is how much is read above chance.
    return bool(found) and all(other > one / 2 for one, other in found)


def _noise(attribute):
    """Return what a reader of nothing may reach by luck: three standard errors."""
    if attribute.classes is None:
        return 3 / np.sqrt(len(attribute.values))
    counts = np.bincount(attribute.codes)
    return 3 * np.sqrt(np.mean(0.25 / np.maximum(counts[counts > 0] / 2, 1)) / len(counts))


def _readers(attribute):
    if attribute.classes is None:
        return [lambda X: _correlation(X, attribute.values)]
    return [
        lambda X: _above_chance(
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), X, attribute.codes
        ),
        lambda X: _above_chance(
            QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.2, tol=0), X, attribute.codes
        ),
    ]


def _above_chance(reader, X, codes):
    """Return the balanced accuracy above chance on the rows that it was not fitted on."""
    classes, counts = np.unique(codes, return_counts=True)
    kept = np.isin(codes, classes[counts >= 8])
    X, codes = X[kept], codes[kept]
    order = np.argsort(codes, kind="stable")
    half = np.zeros(len(codes), dtype=bool)
    half[order[::2]] = True  # Every other row of each class.
    classes = np.unique(codes)
    if len(classes) < 2:
        return 0.0
    X = X / (X.std() or 1)
    try:
        predicted = reader.fit(X[half], codes[half]).predict(X[~half])
    except np.linalg.LinAlgError:  # The rows of a class are all one.
        return 0.0
    return float(balanced_accuracy_score(codes[~half], predicted) - 1 / len(classes))


def _correlation(X, numbers):
    """Return the correlation with what ridge regression reads, on other rows."""
    half = np.arange(len(X)) % 2 == 0
    centred, target = X - X[half].mean(axis=0), numbers - numbers[half].mean()
    gram = centred[half].T @ centred[half]
    gram += 1e-2 * np.trace(gram) / len(gram) * np.eye(len(gram))
    read = centred[~half] @ np.linalg.solve(gram, centred[half].T @ target[half])
    if read.std() <= 1e-12 * (np.abs(read).max() or 1) or target[~half].std() == 0:
        return 0.0
    return float(np.corrcoef(read, target[~half])[0, 1])
