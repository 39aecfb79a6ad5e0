"""Directions along which an attribute comes back when a population is mixed otherwise.

An eraser makes the classes' means equal over the fitted rows. In another population women may
be younger than men, or smile more; whoever reads age or smiles then reads gender. Two kinds of
vectors say where this happens: the difference of the classes' means *within* each group of a
context label, and the groups' own means, weighed by how far group and attribute go together.
Along the same directions people differ; those go first that say much of the attribute for little
of who someone is.
"""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.data.labels import as_classes
from sfumato.erasers._gaussian_transport import matrix_power
from sfumato.errors import InputError

MIN_ROWS = 60
N_GROUPS = 6
SMOOTHING = 2.5
RANK_TOLERANCE = 1e-6


def correlate_directions(
    u: NDArray[Any], codes: NDArray[Any], context: ArrayLike, kept: NDArray[Any], *, budget: float
) -> NDArray[Any]:
    """Return the directions that say most of the attribute for what they say of people.

    Parameters
    ----------
    u : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples,)
        Classes of the protected attribute.
    context : array-like of shape (n_samples, n_labels)
        Other labels; ``None`` or NaN where not known.
    kept : ndarray of shape (n_features, n_features)
        Covariance of what is to stay, such as that between people.
    budget : float in [0, 1)
        Share of its trace that may go; directions are taken as long as they fit.

    Returns
    -------
    ndarray of shape (n_directions, n_features)
        Orthonormal rows; there may be none.

    Notes
    -----
    With C the sum of squares of the vectors, the directions v maximise in turn
    ``v' C v / v' (kept + c I) v``, c being 2.5 times the median eigenvalue of ``kept`` (found
    on faces; with a smaller c more directions of less leak go).

    Weights of the vectors (ours): a class difference counts 1; a group's mean counts Cramer's V
    of its label and the attribute. Labels of more than two groups are crossed in pairs too (age
    x race). Groups with fewer than 60 rows of a class are left out.
    """
    context = np.asarray(context, dtype=object)
    context = context.reshape(len(context), -1)
    labels = [_groups(column) for column in context.T]
    many = [label for label in labels if len(set(label[label != None])) > 2]  # noqa: E711
    crossed = [_crossed(*pair) for pair in combinations(many, 2)]
    vectors = [vector for label in labels + crossed for vector in _of_label(u, codes, label)]
    if not vectors:
        raise InputError(
            f"context: no group has {MIN_ROWS} rows of two classes; give more rows or none."
        )
    rows = np.array(vectors)
    if not np.trace(kept) > 0:
        raise InputError("kept has no variance; the budget cannot be measured.")
    ridge = SMOOTHING * np.median(np.linalg.eigvalsh(kept))
    root = matrix_power(kept + ridge * np.eye(len(kept)), -0.5)
    _, sizes, axes = np.linalg.svd(rows @ root, full_matrices=False)
    directions = axes[sizes > RANK_TOLERANCE * sizes[0]] @ root
    # The first n columns span the first n directions.
    basis = np.linalg.qr(directions.T)[0]
    gone = np.cumsum(np.einsum("in,ij,jn->n", basis, kept, basis)) / np.trace(kept)
    return basis[:, : np.searchsorted(gone, budget, side="right")].T


def _groups(column):
    """Return a label's groups; numbers with many values are cut at quantiles."""
    known = [value for value in column.tolist() if value is not None and value == value]
    if known and all(isinstance(value, int | float) and value is not True for value in known):
        column = np.array([np.nan if value is None else float(value) for value in column.tolist()])
    return as_classes(column, "context", n_groups=N_GROUPS)


def _crossed(first, second):
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return np.array([None if None in pair else " x ".join(pair) for pair in pairs], dtype=object)


def _of_label(u, codes, groups):
    known = groups != None  # noqa: E711  (elementwise)
    names, numbers = np.unique(groups[known].astype(str), return_inverse=True)
    u, codes = u[known], codes[known]
    strength, vectors = cramers_v(numbers, codes), []
    for number in range(len(names)):
        rows = numbers == number
        classes, counts = np.unique(codes[rows], return_counts=True)
        means = [u[rows & (codes == k)].mean(axis=0) for k in classes[counts >= MIN_ROWS]]
        if len(means) > 1:
            vectors += list(np.array(means[1:]) - means[0])
        if len(names) > 1 and rows.sum() >= MIN_ROWS:
            other = u[~rows] if len(names) == 2 else u
            vectors.append(strength * (u[rows].mean(axis=0) - other.mean(axis=0)))
    return vectors


def cramers_v(first: Any, second: Any) -> float:
    """Return Cramer's V of two codings, in [0, 1]; 0 if either has one value."""
    table = np.zeros((first.max() + 1, second.max() + 1)) if len(first) else np.zeros((1, 1))
    np.add.at(table, (first, second), 1)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    if min(table.shape) < 2:
        return 0.0
    n = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    chi2 = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / n / (min(table.shape) - 1)))
