"""Embeddings as Arrow columns and back, checked row by row."""

import numpy as np
import pyarrow as pa

from sfumato.errors import InputError


def embedding_matrix(column, dimension, path="embeddings", start=0):
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
    if not _is_list_of_numbers(column.type):
        raise InputError(
            f"{path}: column embedding must hold lists of numbers, got {column.type}."
        )
    if column.null_count:
        row = start + int(np.flatnonzero(column.is_null())[0])
        raise InputError(f"{path}, row {row}: embedding is missing; drop the row or embed again.")
    if pa.types.is_fixed_size_list(column.type):
        lengths = np.full(len(column), column.type.list_size)
    else:
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(lengths != dimension)
    if wrong.size:
        row = start + int(wrong[0])
        raise InputError(
            f"{path}, row {row}: embedding has {lengths[wrong[0]]} features where the table "
            f"has {dimension}; a table holds one encoder's embeddings, split it."
        )
    flat = column.flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        X = np.asarray(flat, dtype=np.float32).reshape(len(column), dimension)
        # A sum is finite only if all its terms are, and is the quickest look at them.
        finite = np.isfinite(X.sum(dtype=np.float64))
    if not finite:
        bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
        if bad.size:
            raise InputError(
                f"{path}, row {start + int(bad[0])}: embedding has a NaN or infinite value; "
                "drop the row or embed the photo again."
            )
    return X


def _is_list_of_numbers(kind):
    lists = (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)
    if not any(is_list(kind) for is_list in lists):
        return False
    return pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)


def embedding_array(X):
    """Return a matrix as an Arrow ``fixed_size_list<float32>[d]`` array, without a copy."""
    X = np.ascontiguousarray(X, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), X.shape[1])
