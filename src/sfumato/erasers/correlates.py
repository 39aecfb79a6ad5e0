"""Directions along which an attribute comes back when a population is mixed otherwise.

An eraser makes the classes' means equal over the fitted rows. In another population women may
be younger than men, or smile more; whoever reads age or smiles then reads gender. Two kinds of
vectors say where this happens: the difference of the classes' means *within* each group of a
context label, and the groups' own means, weighed by how far group and attribute go together.
"""

from itertools import combinations

import numpy as np

from sfumato.data.selection import label_values
from sfumato.errors import InputError

MIN_ROWS = 60
N_GROUPS = 6


def correlate_directions(u, codes, context, n_directions):
    """Return the leading directions, orthonormal rows of shape (n_directions, n_features).

    Parameters
    ----------
    u : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples,)
        Classes of the protected attribute.
    context : array-like of shape (n_samples, n_labels)
        Other labels; ``None`` or NaN where not known.
    n_directions : int

    Notes
    -----
    Weights (ours): a class difference counts 1; a group's mean counts Cramer's V of its label
    and the attribute. Labels of more than two groups are crossed in pairs too (age x race).
    Groups with fewer than 60 rows of a class are left out.
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
    rows = np.linalg.svd(np.array(vectors), full_matrices=False)[2]
    return rows[:n_directions]


def _groups(column):
    """Return a label's groups; numbers with many values are cut at quantiles."""
    known = [value for value in column.tolist() if value is not None and value == value]
    if known and all(isinstance(value, int | float) and value is not True for value in known):
        column = np.array([np.nan if value is None else float(value) for value in column.tolist()])
    return label_values(column, n_groups=N_GROUPS)


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


def cramers_v(first, second):
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
