"""Embeddings as Arrow columns and back, checked row by row."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from sfumato.errors import InputError

#: Sums of squares of larger values overflow float32.
LARGEST = 2.0**53
TOO_LARGE = f"embedding has a value beyond {LARGEST:.0e}; scale the embeddings down"
NOT_FINITE = "embedding has a NaN or infinite value; drop the row or embed the photo again"


def embedding_matrix(
    column: Any, dimension: int, path: str | Path = "embeddings", start: int = 0
) -> Any:
    """Return an Arrow embedding column as a float32 matrix, refusing bad rows.

    Parameters
    ----------
    column : pyarrow.Array
        Lists of numbers, fixed or variable in length.
    dimension : int
        The length that every row must have.
    path, start : str or Path, int
        File and number of the first row, for the message.
    """
    _check_kind(column, path)
    for row, fault in _misshapen(column, dimension):
        raise InputError(f"{path}, row {start + row}: {fault}.")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        X = np.asarray(flat, dtype=np.float32).reshape(len(column), dimension)
        # NaN is in no range.
        good = not X.size or (X.min() >= -LARGEST and X.max() <= LARGEST)
    if not good:
        row = int(np.flatnonzero(~(np.abs(X) <= LARGEST).all(axis=1))[0])
        raise InputError(f"{path}, row {start + row}: {_fault(X[row])}.")
    return X


def faulty_rows(column: Any, dimension: Any, path: str = "embeddings") -> dict[int, str]:
    """Return the rows that :func:`embedding_matrix` refuses, with the reasons.

    Parameters
    ----------
    column, dimension, path
        As there; a column that holds no lists of numbers is refused here too.

    Returns
    -------
    dict of int to str
    """
    _check_kind(column, path)
    faults = dict(_misshapen(column, dimension))
    for row in range(len(column)):
        if row not in faults:
            fault = _fault(np.asarray(column[row].values, dtype=np.float32))
            if fault is not None:
                faults[row] = fault
    return dict(sorted(faults.items()))


def _fault(values):
    """Return why a row's values cannot be worked on, or None."""
    if not np.isfinite(values).all():
        return NOT_FINITE
    return TOO_LARGE if (np.abs(values) > LARGEST).any() else None


def _check_kind(column, path):
    if not _is_list_of_numbers(column.type):
        raise InputError(
            f"{path}: column embedding must hold lists of numbers, got {column.type}."
        )


def _misshapen(column, dimension):
    """Yield the rows without an embedding, and those of another length, with the reasons."""
    for row in np.flatnonzero(column.is_null()) if column.null_count else ():
        yield int(row), "embedding is missing; drop the row or embed again"
    if pa.types.is_fixed_size_list(column.type):
        lengths = np.full(len(column), column.type.list_size)
    else:
        lengths = column.value_lengths().fill_null(dimension).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(lengths != dimension):
        yield (
            int(row),
            f"embedding has {lengths[row]} features where the table has {dimension}; a table "
            "holds one encoder's embeddings, split it",
        )


def _is_list_of_numbers(kind):
    lists = (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)
    if not any(is_list(kind) for is_list in lists):
        return False
    return pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)


def embedding_array(X: ArrayLike) -> Any:
    """Return a matrix as an Arrow ``fixed_size_list<float32>[d]`` array, without a copy."""
    with np.errstate(over="ignore"):  # Infinite ones are refused where rows are read.
        X = np.ascontiguousarray(X, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), X.shape[1])
