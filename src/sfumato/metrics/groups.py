"""How often a reader is right, for everybody and for each group of people."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.data.labels import as_names
from sfumato.errors import InputError
from sfumato.metrics.intervals import (
    Interval,
    bootstrap_weights,
    percentile_interval,
    rule_of_three,
)
from sfumato.validation import check_seed

EVERYBODY = "all"


class GroupShare(NamedTuple):
    """Share of right answers in a group, in [0, 1], with its 95 % interval over people."""

    group: str
    n: int
    share: float
    interval: Interval


def shares_by_group(
    right: ArrayLike,
    groups: ArrayLike,
    *,
    identity: ArrayLike | None = None,
    min_rows: int = 30,
    seed: int = 0,
) -> list[GroupShare]:
    """Return the share of right answers of everybody and of each group.

    Parameters
    ----------
    right : array-like of bool of shape (n_samples,)
    groups : array-like of str of shape (n_samples,)
        Such as ``"female, white, 20-29"``.
    identity : array-like of shape (n_samples,), optional
        Who is on each row; default: every row another.
    min_rows : int, default=30
        Smaller groups are left out: their share says nothing.
    seed : int, default=0
        Of the 500 resamples.

    Returns
    -------
    list of GroupShare
        Everybody (``"all"``), then the groups by name. Without an error, or without a right
        answer, the rule of three bounds the share.

    Examples
    --------
    >>> found = shares_by_group([True, True, False, True], ["a", "a", "b", "b"], min_rows=2)
    >>> [(group, n, share) for group, n, share, _ in found]
    [('all', 4, 0.75), ('a', 2, 1.0), ('b', 2, 0.5)]
    """
    right, groups = np.asarray(right, dtype=bool), as_names(groups, "groups")
    if right.ndim != 1 or right.shape != groups.shape or not len(right):
        raise InputError(
            f"right and groups must have one entry a row, got {right.shape} and {groups.shape}."
        )
    check_argument(min_rows, POSITIVE_INT, "min_rows")
    check_seed(seed)
    people = np.arange(len(right)) if identity is None else as_names(identity)
    names = [name for name in np.unique(groups) if (groups == name).sum() >= min_rows]
    found = [_share(EVERYBODY, right, people, seed)]
    for name in names:
        rows = groups == name
        found.append(_share(str(name), right[rows], people[rows], seed))
    return found


def _share(name, right, people, seed):
    _, person = np.unique(people, return_inverse=True)
    sums, counts = np.bincount(person, right), np.bincount(person)
    share = float(right.mean())
    if share in (0.0, 1.0):
        slack = rule_of_three(len(counts))
        interval = Interval(max(0.0, share - slack), min(1.0, share + slack))
    else:
        weights = bootstrap_weights(len(counts), seed=seed)
        interval = percentile_interval((weights @ sums) / (weights @ counts))
    return GroupShare(name, len(right), share, interval)
