"""Identity-disjoint splits: no person is on two sides."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import NOT_NEGATIVE_INT, at_least, check_argument
from sfumato.data.labels import as_names
from sfumato.validation import check_fraction, check_seed

ERASER_SHARE = 0.5


def split_identities(
    identity: ArrayLike | int, share: float = ERASER_SHARE, *, seed: int | str = 0
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Split rows in two so that every person is wholly on one side.

    Parameters
    ----------
    identity : array-like of shape (n_samples,) or int
        Who is on each row; a number of rows stands for as many different people.
    share : float in (0, 1), default=0.5
        Expected share of people on the first side.
    seed : int or str, default=0
        Splits of different seeds are independent of one another.

    Returns
    -------
    first, second : ndarray of bool of shape (n_samples,)
        The second is the complement of the first.

    Notes
    -----
    A person's side depends on nothing but their name and the seed. It is the same in any
    table, for any method and in any order of rows, so a fit and an audit that never meet still
    keep apart.

    Examples
    --------
    >>> first, second = split_identities(["Ada", "Bob", "Ada", "Cy"])
    >>> bool(first[0] == first[2]), bool((first ^ second).all())
    (True, True)
    """
    check_fraction(share, "share")
    if not isinstance(seed, str):
        check_seed(seed)
    if np.ndim(identity) == 0:
        identity = np.arange(check_argument(identity, NOT_NEGATIVE_INT, "identity"))
    people, codes = np.unique(as_names(identity), return_inverse=True)
    chosen = np.array([_uniform(name, seed) < share for name in people.tolist()], dtype=bool)
    first = chosen[codes] if len(people) else np.empty(0, dtype=bool)
    return first, ~first


def _uniform(name, seed):
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def balanced_rows(y: ArrayLike, *, seed: int = 0, max_rows: int | None = None) -> Any:
    """Return sorted row numbers with equally many rows of every class, at random.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    max_rows : int, optional
        Upper bound of the number of rows returned; at least the number of classes.
    """
    y = np.asarray(y)
    classes, counts = np.unique(y, return_counts=True)
    size = int(counts.min())
    if max_rows is not None:
        check_argument(max_rows, at_least(len(classes)), "max_rows")
        size = min(size, max_rows // len(classes))
    rng = np.random.default_rng(check_seed(seed))
    picked = [rng.choice(np.flatnonzero(y == name), size, replace=False) for name in classes]
    return np.sort(np.concatenate(picked))
