"""Random numbers that depend on a seed and on a row's content alone.

An eraser that adds noise must be pure: the same row gets the same noise, in any batch, on any
machine. A 64-bit key is mixed from the seed and the row's float32 bytes, and a counter-based
generator (SplitMix64 [1]_) draws from it.

Whoever knows the seed and guesses a row can redo its noise: use a seed that others do not
know. The mixing is statistical, not cryptographic.

References
----------
.. [1] Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def row_keys(X: ArrayLike, seed: int) -> Any:
    """Return one key a row, uint64 of shape (n_samples,).

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Keys are those of the float32 values; -0 counts as 0.
    seed : int
    """
    words = np.ascontiguousarray(np.asarray(X, dtype=np.float32) + np.float32(0))
    words = words.view(np.uint32).astype(np.uint64)
    start = _mix(np.array([seed % 2**64], dtype=np.uint64))
    columns = _mix(start + np.arange(1, words.shape[1] + 1, dtype=np.uint64) * GOLDEN)
    return _mix(_mix(words + columns).sum(axis=1, dtype=np.uint64) + start)


def uniform(keys: Any, n_columns: Any) -> Any:
    """Return uniform numbers in (0, 1), float64 of shape (n_keys, n_columns)."""
    counter = np.arange(1, n_columns + 1, dtype=np.uint64) * GOLDEN
    bits = _mix(keys[:, None] + counter) >> np.uint64(11)
    return (bits + 0.5) * 2.0**-53


def normal(keys: Any, n_columns: Any) -> Any:
    """Return standard normal numbers, float64 of shape (n_keys, n_columns)."""
    half = (n_columns + 1) // 2
    first, second = np.hsplit(uniform(keys, 2 * half), 2)
    radius, angle = np.sqrt(-2 * np.log(first)), 2 * np.pi * second  # Box and Muller
    return np.hstack([radius * np.cos(angle), radius * np.sin(angle)])[:, :n_columns]


def permutations(keys: Any, n: Any) -> Any:
    """Return a random permutation of ``range(n)`` for each key, of shape (n_keys, n)."""
    return uniform(keys, n).argsort(axis=1)


def _mix(z):
    """Return SplitMix64's finaliser of each number; products wrap, as they must."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
