"""Upper bounds on what *any* attacker reads, where there are any.

An attacker that was tried gives a lower bound. Two releases allow an upper one: templates with
noise of known strength, and templates of few values.

References
----------
.. [1] Dwork, Roth, "The algorithmic foundations of differential privacy", 2014.
.. [2] Jovanovic, Balunovic, Dimitrov, Vechev, "FARE: provably fair representation learning with
   practical certificates", ICML 2023: Clopper-Pearson intervals of cells, joined by a union bound.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, norm

from sfumato._constraints import NOT_NEGATIVE, POSITIVE_INT, SHARE, at_least, check_argument
from sfumato.data.labels import as_names
from sfumato.errors import InputError
from sfumato.validation import check_fraction


class BinnedBound(NamedTuple):
    """An upper bound of every attacker's balanced accuracy on released cells.

    Attributes
    ----------
    value : float in [1 / n_classes, 1]
        Holds with probability of at least ``1 - delta`` over the rows drawn.
    best_seen : float
        Balanced accuracy of the best rule on these very rows.
    n_cells, n_classes, n_rows : int
    """

    value: float
    best_seen: float
    n_cells: int
    n_classes: int
    n_rows: int


def private_bound(epsilon: float, delta: float, n_classes: int = 2) -> float:
    """Return the highest balanced accuracy on the output of an (epsilon, delta)-private release.

    Parameters
    ----------
    epsilon : float >= 0
    delta : float in [0, 1]
        Of the release of one row, for any two rows (local differential privacy [1]_).
    n_classes : int >= 2, default=2

    Returns
    -------
    float in [1 / n_classes, 1]
        ``(e + (k - 1) delta) / (e + k - 1)`` with ``e = exp(epsilon)``, at most 1.

    Notes
    -----
    Proof. Let ``P_c`` be the output's distribution in class c, a mixture over rows, for which the
    promise holds as for rows, and ``s`` the sum of the ``P_c(A = c)``. For every class j,
    ``s <= P_j(A = j) + e (1 - P_j(A = j)) + (k - 1) delta``; summed over the k classes,
    ``k s <= s + e (k - s) + k (k - 1) delta``, so ``s / k`` is at most the value.

    For two classes it is ``(1 + TV) / 2`` with total variation
    ``TV <= (e - 1 + 2 delta) / (e + 1)``; for more it is below ``1 / k + TV (k - 1) / k``. Without
    delta, randomised response attains it.

    Examples
    --------
    >>> round(private_bound(1.0, 0.0), 4), round(private_bound(1.0, 0.0, n_classes=3), 4)
    (0.7311, 0.5761)
    """
    check_argument(epsilon, NOT_NEGATIVE, "epsilon")
    check_argument(delta, SHARE, "delta")
    k = check_argument(n_classes, at_least(2), "n_classes")
    inverse = np.exp(-epsilon)  # Does not overflow.
    return float(min((1 + (k - 1) * delta * inverse) / (1 + (k - 1) * inverse), 1.0))


def gaussian_bound(distance: float, n_classes: int = 2) -> float:
    """Return the highest balanced accuracy on rows with Gaussian noise.

    Parameters
    ----------
    distance : float >= 0
        Greatest distance of two rows before the noise, in standard deviations of the noise.
    n_classes : int >= 2, default=2

    Returns
    -------
    float in [1 / n_classes, 1]
        ``1 / k + TV (k - 1) / k`` with ``TV = 2 Phi(distance / 2) - 1``.

    Notes
    -----
    Proof. Two normal distributions of equal variance whose means are d deviations apart have
    total variation ``2 Phi(d / 2) - 1``, and mixtures of such are no farther apart. For any class
    j the sum of ``P_c(A = c)`` is at most that of ``P_j(A = c)``, which is 1, plus ``(k - 1) TV``.

    Examples
    --------
    >>> round(gaussian_bound(1.0), 4)
    0.6915
    """
    check_argument(distance, NOT_NEGATIVE, "distance")
    k = check_argument(n_classes, at_least(2), "n_classes")
    return float(1 / k + (2 * norm.cdf(distance / 2) - 1) * (k - 1) / k)


def noise_bound(
    epsilon: float, delta: float, distance: float, *, n_classes: int = 2, n_templates: int = 1
) -> float:
    """Return the lower of the bounds above for ``n_templates`` releases of one person.

    Parameters
    ----------
    epsilon, delta, distance, n_classes
        See :func:`private_bound` and :func:`gaussian_bound`; of one release.
    n_templates : int >= 1, default=1
        Templates of one person, of different photos, that the attacker holds.

    Returns
    -------
    float in [1 / n_classes, 1]

    Notes
    -----
    Together, n releases are ``(n epsilon, n delta)``-private [1]_ (basic composition), and as one
    row of n times the length their inputs are ``sqrt(n)`` times as far apart.

    Examples
    --------
    >>> [round(noise_bound(1.0, 1e-5, 0.268, n_templates=n), 3) for n in (1, 10)]
    [0.553, 0.664]
    """
    n = check_argument(n_templates, POSITIVE_INT, "n_templates")
    check_argument(epsilon, NOT_NEGATIVE, "epsilon")
    check_argument(delta, SHARE, "delta")
    check_argument(distance, NOT_NEGATIVE, "distance")
    private = private_bound(n * epsilon, min(n * delta, 1.0), n_classes)
    return min(private, gaussian_bound(np.sqrt(n) * distance, n_classes))


def binned_bound(cells: ArrayLike, y: ArrayLike, delta: float = 0.05) -> BinnedBound:
    """Return an upper bound of any attacker's balanced accuracy on released cells.

    Parameters
    ----------
    cells : array-like of shape (n_samples,)
        What is released of each row: a label or a bin of a score. The set of cells must not have
        been chosen by these rows.
    y : array-like of shape (n_samples,)
        The protected attribute. Rows must be independent draws: one a person.
    delta : float in (0, 1), default=0.05
        Probability with which the bound may fail.

    Returns
    -------
    BinnedBound

    Raises
    ------
    InputError
        For fewer than two classes, or columns of different lengths.

    Notes
    -----
    Whoever sees a cell z guesses the class of the greatest ``q_c(z) = P(z | c)``, so no attacker's
    balanced accuracy exceeds ``sum_z max_c q_c(z) / k``. Each of the k m shares is a binomial one:
    all lie between their Clopper-Pearson limits ``l`` and ``u`` of level ``delta / (k m)`` with
    probability of at least ``1 - delta`` (union bound, after [2]_). On that event the sum is at
    most ``sum_z max_c u_c(z)``, and, as the shares of a class add to 1, for every class j at most
    ``1 + sum_z max(0, max u_c(z) - l_j(z))`` over the classes c other than j. The least of these
    is returned.

    Examples
    --------
    >>> found = binned_bound(["old", "young"] * 500, ["f", "m", "m", "f"] * 250)
    >>> found.best_seen, round(found.value, 3)
    (0.5, 0.557)
    """
    check_fraction(delta, "delta")
    cells, y = as_names(cells, "cells"), as_names(y, "y")
    if cells.shape != y.shape or cells.ndim != 1:
        raise InputError(f"cells and y must have one entry a row, got {cells.shape}, {y.shape}.")
    (names, cell), (classes, code) = (np.unique(v, return_inverse=True) for v in (cells, y))
    k, m = len(classes), len(names)
    if k < 2:
        raise InputError(f"y needs at least 2 classes, got {k}.")
    counts = np.bincount(code * m + cell, minlength=k * m).reshape(k, m)
    totals = counts.sum(axis=1, keepdims=True)
    low, high = _clopper_pearson(counts, totals, delta / (k * m))
    sums = [high.max(axis=0).sum()]
    for j in range(k):
        others = np.delete(high, j, axis=0).max(axis=0)
        sums.append(1 + np.maximum(others - low[j], 0).sum())
    best_seen = float((counts / totals).max(axis=0).sum() / k)
    return BinnedBound(float(min(*sums, k) / k), best_seen, m, k, len(y))


def _clopper_pearson(counts, totals, alpha):
    with np.errstate(invalid="ignore"):
        low = beta.ppf(alpha / 2, counts, totals - counts + 1)
        high = beta.ppf(1 - alpha / 2, counts + 1, totals - counts)
    return np.where(counts == 0, 0.0, low), np.where(counts == totals, 1.0, high)
