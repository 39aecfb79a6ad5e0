"""Samples with a bias put in on purpose, to see whether a classifier takes it over.

SensitiveNets (Sect. 4.4) and Emotional-Blinded Face Representations (Sect. V-C) train a
classifier of attractiveness where 70 % of the attractive and 30 % of the others have the
protected attribute, and test it where half of either have it.
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.data.labels import as_names, as_text, class_codes, is_missing
from sfumato.data.splits import split_identities
from sfumato.errors import InputError
from sfumato.validation import check_choice, check_fraction, check_seed


def biased_rows(
    y: ArrayLike,
    protected: ArrayLike,
    n_rows: int,
    *,
    privileged: str,
    share: float = 0.7,
    positive: str | None = None,
    balance: ArrayLike | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Draw rows in which an attribute goes with the positive class as often as wanted.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The label to be learnt, of two classes; each has half of the rows drawn.
    protected : array-like of shape (n_samples,)
        The attribute that biases, of two classes.
    n_rows : int
        How many rows to draw, without replacement.
    privileged : str
        The class of ``protected`` that has the share among the positives.
    share : float in (0, 1), default=0.7
        Share of the privileged among the positives, and of the others among the negatives;
        0.5 gives a sample without bias.
    positive : str, optional
        The positive class of ``y``; default the last by name (True, yes).
    balance : array-like of shape (n_samples,) or (n_samples, n_attributes), optional
        Other attributes, such as gender: all their classes, crossed, are equally frequent
        in each of the four cells.
    seed : int, default=0

    Returns
    -------
    ndarray of int64 of shape (n_rows,)
        Sorted row numbers. Each cell has its exact share of the rows, up to one row.

    Raises
    ------
    InputError
        If a label has not two classes, a class is unknown, or a cell has too few rows: the
        message says how many it has and how many rows can be drawn at most.

    Notes
    -----
    Rows with a missing label (``None`` or NaN) are not drawn. Rows are drawn, not people:
    exact shares of what differs between photos of one person leave no choice. Split people
    before you draw, as :func:`biased_split` does, and none is on two sides.

    Examples
    --------
    >>> y, smiling = np.arange(80) % 2, np.arange(80) // 2 % 2
    >>> rows = biased_rows(y, smiling, 20, privileged="1")
    >>> int(y[rows].sum()), int(smiling[rows][y[rows] == 1].sum())
    (10, 7)
    """
    check_fraction(share, "share")
    check_argument(n_rows, POSITIVE_INT, "n_rows")
    check_seed(seed)
    rows, cells, names, ideal = _cells(y, protected, privileged, positive, share, balance)
    counts = np.bincount(cells, minlength=len(ideal))
    wanted = _apportion(n_rows, ideal)
    if (wanted > counts).any():
        cell = int(np.argmax(wanted - counts))
        most = int(np.min((counts + 1) / ideal))  # No more, however the rounding falls.
        while (_apportion(most, ideal) > counts).any():
            most -= 1
        raise InputError(
            f"the cell {names[cell]} has {counts[cell]} rows, {wanted[cell]} are needed for "
            f"n_rows={n_rows}; n_rows may be {most} at most."
        )
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(rows[cells == cell], size, replace=False)
        for cell, size in enumerate(wanted.tolist())
    ]
    return np.sort(np.concatenate(drawn))


def biased_split(
    y: ArrayLike,
    protected: Any,
    identity: ArrayLike,
    *,
    n_train: int,
    n_test: int,
    privileged: Any,
    share: float = 0.7,
    positive: Any = None,
    balance: Any = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw a biased training set and a test set without bias, of different people.

    Parameters
    ----------
    identity : array-like of shape (n_samples,)
        Who is on each row.
    n_train, n_test : int
        Rows of the two sets; the papers have 36,000 or 40,000, and 4,000.
    test_share : float in (0, 1), default=0.2
        Share of people set aside for the test (CelebA's own split has a fifth).
    y, protected, privileged, share, positive, balance, seed
        As for :func:`biased_rows`; the test set has ``share=0.5``.

    Returns
    -------
    train, test : ndarray of int64 of shapes (n_train,) and (n_test,)
        Sorted row numbers.
    """
    y, protected, people = np.asarray(y), np.asarray(protected), as_names(identity)
    for name, values in (("protected", protected), ("identity", people)):
        _check_length(values, len(y), name)
    held_out, kept = split_identities(people, test_share, seed=f"biased {seed}")
    drawn = []
    for side, mask, n_rows, bias in (
        ("training", kept, n_train, share),
        ("test", held_out, n_test, 0.5),
    ):
        rows = np.flatnonzero(mask)
        others = None if balance is None else np.asarray(balance)[rows]
        try:
            picked = biased_rows(
                y[rows],
                protected[rows],
                n_rows,
                privileged=privileged,
                share=bias,
                positive=positive,
                balance=others,
                seed=seed,
            )
        except InputError as error:
            raise InputError(f"{side} people: {error}") from None
        drawn.append(rows[picked])
    return drawn[0], drawn[1]


def _cells(y, protected, privileged, positive, share, balance):
    """Return the usable rows, the cell of each, the cells' names and their shares."""
    columns = {"y": np.asarray(y), "protected": np.asarray(protected)}
    if balance is not None:
        columns["balance"] = np.asarray(balance)
    known = np.ones(len(columns["y"]), dtype=bool)
    for name, values in columns.items():
        _check_length(values, len(known), name)
        missing = is_missing(values)
        known &= ~(missing if missing.ndim == 1 else missing.any(axis=1))
    rows, classes = np.flatnonzero(known), {}
    cells: Any = 0
    for name, values in columns.items():
        classes[name], codes = class_codes(values[rows], name)
        if name != "balance" and len(classes[name]) > 2:
            raise InputError(f"{name} must have 2 classes, got {', '.join(classes[name][:5])}.")
        cells = cells * len(classes[name]) + codes
    positive = classes["y"][-1] if positive is None else as_text([positive])[0]
    privileged = as_text([privileged])[0]
    check_choice(positive, classes["y"], "positive")
    check_choice(privileged, classes["protected"], "privileged")
    names, ideal = [], []
    for cell in product(*classes.values()):
        together = (cell[0] == positive) == (cell[1] == privileged)
        names.append(", ".join(f"{a}={b}" for a, b in zip(classes, cell, strict=True)))
        ideal.append((share if together else 1 - share) / 2)
    return rows, cells, names, np.array(ideal) / len(classes.get("balance", [0]))


def _apportion(n, shares):
    """Return whole numbers that sum to ``n``, each within one of ``n * shares``."""
    exact = n * shares
    whole = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")  # The largest remainder first.
    whole[order[: n - whole.sum()]] += 1
    return whole


def _check_length(values, n, name):
    if len(values) != n:
        raise InputError(f"{name} must have one entry a row, {n}, got {len(values)}.")
