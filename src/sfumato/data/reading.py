"""Read a table of any layout into memory, as an Arrow table with the columns that it has."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.feather as feather
import pyarrow.parquet as pq

from sfumato.data.columns import embedding_array
from sfumato.data.files import DAMAGED, DAMAGED_ARRAYS
from sfumato.data.labels import MISSING_TEXT
from sfumato.errors import InputError
from sfumato.files import encoding_of
from sfumato.validation import plain_array

_ENDINGS = ".parquet, .csv, .tsv, .arrow, .feather, .npy or .npz"


def read_source(source: Any) -> pa.Table:
    """Return what a file or an object holds.

    Parameters
    ----------
    source : str, Path, mapping or table
        See :class:`sfumato.data.own.OwnTable`. Of a mapping, and of an ``.npz``, arrays of two
        dimensions become columns of lists.

    Raises
    ------
    InputError
        For another ending or kind of object, a damaged file, and arrays of Python objects or of
        different lengths.
    """
    if not isinstance(source, str | Path):
        return _read(_of_object, source, "the table")
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    read = {
        ".parquet": pq.read_table,
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".arrow": feather.read_table,
        ".feather": feather.read_table,
        ".npy": _read_npy,
        ".npz": _read_npz,
    }.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path}: no table that can be read; give {_ENDINGS}.")
    return _read(read, path, path)


def _read(read, source, name):
    try:
        table = read(source)
        table.validate(full=True)  # Before a buffer that is too short is read.
        names = table.column_names
    except InputError:
        raise
    except (*DAMAGED, *DAMAGED_ARRAYS, TypeError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: not a readable table ({said}).") from error
    twice = [column for column in dict.fromkeys(names) if names.count(column) > 1]
    if twice:
        raise InputError(f"{name}: column {twice[0]} is there more than once; rename one.")
    return table


def is_table(value: Any) -> bool:
    """Return whether an object is a mapping of arrays, or a table that Arrow can take."""
    return isinstance(value, Mapping | pa.Table) or hasattr(value, "__arrow_c_stream__")


def _of_object(source):
    if isinstance(source, Mapping):
        return _of_arrays(source, "the mapping")
    if isinstance(source, pa.Table):
        return source
    if not hasattr(source, "__arrow_c_stream__"):
        raise InputError(
            f"a table must be a path, a mapping of arrays, a data frame or an Arrow table, got "
            f"{type(source).__name__}."
        )
    with warnings.catch_warnings():  # What pandas says of names that are no text, on the way.
        warnings.simplefilter("ignore")
        return pa.table(source)


def _read_csv(path):
    with open(path, "rb") as file:
        encoding = encoding_of(file.read(4))
    delimiter, decimal = _dialect(path, encoding)
    table = pacsv.read_csv(
        path,
        read_options=pacsv.ReadOptions(encoding=encoding),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            strings_can_be_null=True,
            null_values=["", *sorted(MISSING_TEXT)],
            decimal_point=decimal,
        ),
    )
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if pa.types.is_binary(kind):
            raise InputError(f"{path}: column {name} is no UTF-8 text; save the file as UTF-8.")
    return table


def _dialect(path, encoding):
    """Return what parts the columns of a text, and the decimal point of its numbers."""
    with open(path, encoding=encoding, errors="replace") as file:
        head, first = file.readline(100_000), file.readline(100_000)
    delimiter = max(",\t;|", key=head.count)
    # As spreadsheets write it where the comma is the decimal point.
    decimal = "," if delimiter == ";" and "," in first and "." not in first else "."
    return delimiter, decimal


def _read_npy(path):
    values = np.load(path, allow_pickle=False)
    if values.ndim != 2:
        raise InputError(
            f"{path}: embeddings have the shape (n_rows, n_features), got {values.shape}."
        )
    return _of_arrays({"embedding": values}, path)


def _read_npz(path):
    # NumPy leaves a file that it opened itself open where the archive is damaged.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        return _of_arrays({name: archive[name] for name in archive.files}, path)


def _of_arrays(arrays, path):
    """Return a table of arrays of one or two dimensions, torch tensors among them."""
    found = {str(name): plain_array(values) for name, values in arrays.items()}
    lengths = {name: len(values) if values.ndim else 0 for name, values in found.items()}
    if len(set(lengths.values())) != 1:
        said = ", ".join(f"{name} {values.shape}" for name, values in found.items())
        raise InputError(f"{path}: arrays must have one entry a row, got {said or 'none'}.")
    columns = {}
    for name, values in found.items():
        known = "biufUSO" if values.ndim < 2 else "biufO"
        if values.ndim > 2 or values.dtype.kind not in known or 0 in values.shape[1:]:
            raise InputError(f"{path}: array {name} is {values.dtype} of shape {values.shape}.")
        if values.dtype.kind in "iuf":  # Arrow takes no swapped bytes, no long double.
            kind = values.dtype.newbyteorder("=")
            values = values.astype(np.float64 if kind.itemsize > 8 else kind)
        flat = values.tolist() if values.dtype.kind in "OUS" else values
        columns[name] = embedding_array(values) if values.ndim == 2 else pa.array(flat)
    return pa.table(columns)
