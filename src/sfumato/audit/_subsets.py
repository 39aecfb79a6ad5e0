"""Nested subsets of attackers' rows: whole people, equally many rows of every class."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data.splits import balanced_rows

MIN_ROWS, MIN_PEOPLE = 100, 10
MAX_PARTS = 4


def nested_subsets(
    y: NDArray[Any], identity: NDArray[Any], *, seed: int = 0
) -> list[list[NDArray[Any]]]:
    """Return row numbers of subsets by size, the smallest first and all rows last.

    Each part is cut into two halves that share no person, so that the parts of one size are
    disjoint and each lies in one of the next size (but for rows that balancing leaves out).

    Parameters
    ----------
    y, identity : ndarray of shape (n_samples,)
    seed : int, default=0

    Returns
    -------
    list of list of ndarray
        At each size up to four parts: one of all rows, two halves, four quarters, four eighths.
        Halving ends where a part would have fewer than 100 rows, or a class fewer than 10
        people.
    """
    rng = np.random.default_rng([seed, 1])
    levels = [[np.arange(len(y))]]
    while True:
        halves = [_halve(part, y, identity, rng) for part in levels[0]]
        # With four parts already, one half of each.
        parts = [half for pair in halves for half in pair[: MAX_PARTS // len(halves)]]
        parts = [part[balanced_rows(y[part], seed=seed)] for part in parts]
        if any(_too_few(part, y, identity) for part in parts):
            return levels
        levels.insert(0, parts)


def _halve(part, y, identity, rng):
    """Cut rows into two halves by people, each class's rows about equally."""
    people, code = np.unique(identity[part], return_inverse=True)
    classes, label = np.unique(y[part], return_inverse=True)
    counts = np.bincount(code * len(classes) + label, minlength=len(people) * len(classes))
    counts = counts.reshape(len(people), len(classes))
    order = rng.permutation(len(people))
    # Those with most rows first, each to the half that has fewer of their class.
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    weight, side = np.zeros((2, len(classes))), np.empty(len(people), dtype=int)
    for person in order:
        kind = counts[person].argmax()
        side[person] = weight[1, kind] < weight[0, kind]
        weight[side[person]] += counts[person]
    return part[side[code] == 0], part[side[code] == 1]


def _too_few(part, y, identity):
    people = [len(np.unique(identity[part][y[part] == value])) for value in np.unique(y)]
    return len(part) < MIN_ROWS or min(people) < MIN_PEOPLE
