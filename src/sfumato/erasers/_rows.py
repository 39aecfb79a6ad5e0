"""Checks of rows that an eraser is to square and add up."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.erasers._rules import LARGEST
from sfumato.errors import InputError


def check_variation(X: NDArray[Any]) -> None:
    """Raise InputError for a single row, and for rows that are all equal."""
    if len(X) < 2:
        raise InputError(f"X needs at least 2 rows, got n_samples = {len(X)}.")
    if not np.abs(X).max() > 1 / LARGEST:
        raise InputError(f"X: all {len(X)} rows are zero; embed the photos again.")
    if (X[0] == X).all():
        raise InputError(f"X: all {len(X)} rows are equal; embed the photos again.")


def sum_of_squares(X: NDArray[Any]) -> float:
    """Return the quickest look at all numbers: it is finite only if all their squares are."""
    flat = X.ravel(order="K")
    with np.errstate(all="ignore"):
        return float(np.dot(flat, flat))


def refuse_large(X: NDArray[Any]) -> None:
    """Raise InputError for the first row that is not finite or too large to be squared."""
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError(f"X must be finite, row {row} has a NaN or infinite value.")
    sizes = np.abs(X).max(axis=1)
    if sizes.max() > LARGEST:
        row = int(np.flatnonzero(sizes > LARGEST)[0])
        raise InputError(
            f"X, row {row}: features must be at most {LARGEST:g} in size, got {sizes[row]:g}; "
            "scale the embeddings."
        )
