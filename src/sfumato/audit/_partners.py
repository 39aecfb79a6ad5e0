"""For each row a partner to compare it with: another photo of the person, or other people."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.metrics.scores import identity_codes

#: No more pairs of other people than this, and at most so many a row.
MAX_STRANGERS = 500_000
STRANGERS_A_ROW = 100


def other_photos(identity: ArrayLike, *, seed: int = 0) -> NDArray[np.intp]:
    """Return rows and another row of the same person each, at random.

    Parameters
    ----------
    identity : array-like of shape (n_samples,)
    seed : int, default=0

    Returns
    -------
    ndarray of shape (2, n_pairs)
        Each row of a person with several rows is once in the first line, and once in the second.
    """
    code, n_people = identity_codes(identity)
    order = np.random.default_rng(seed).permutation(len(code))
    order = order[np.argsort(code[order], kind="stable")]
    sizes = np.bincount(code, minlength=n_people)
    starts = np.cumsum(sizes) - sizes
    person = code[order]
    # The next of the same person, the first after the last.
    following = order[
        starts[person] + (np.arange(len(order)) - starts[person] + 1) % sizes[person]
    ]
    several = sizes[person] > 1
    return np.stack([order[several], following[several]])


def strangers(identity: ArrayLike, *, seed: int = 0) -> NDArray[np.intp]:
    """Return rows and rows of other people, evenly, at random.

    Parameters
    ----------
    identity : array-like of shape (n_samples,)
        Of at least two people.
    seed : int, default=0

    Returns
    -------
    ndarray of shape (2, n_pairs)
        Each row is compared with up to 100 others.
    """
    code, _ = identity_codes(identity)
    n = len(code)
    order = np.random.default_rng(seed).permutation(n)
    n_shifts = min(n - 1, STRANGERS_A_ROW, max(MAX_STRANGERS // n, 1))
    shifts = np.unique(np.linspace(1, n - 1, n_shifts).astype(int))
    pairs: Any = [(order, np.roll(order, -shift)) for shift in shifts]
    pairs = np.concatenate([np.stack(pair) for pair in pairs], axis=1)
    return pairs[:, code[pairs[0]] != code[pairs[1]]]
