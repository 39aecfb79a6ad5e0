"""What a table's Parquet files say of themselves, before any row is read."""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from sfumato.data.files import DAMAGED, is_url, open_parquet
from sfumato.data.manifest import KEY, Place, check_footers, check_places
from sfumato.errors import InputError


def read_outline(path: str | Path, files: Sequence[str | Path]) -> tuple[pa.Schema, int]:
    """Return the schema and the number of rows of a table.

    Parameters
    ----------
    path : str or Path
        Of a file, or of a folder of files with the same columns; also a URL.
    files : sequence of (str or Path)
        The files in it.

    Raises
    ------
    InputError
        For files that are no Parquet, that differ in their columns, or that are not what the
        batch job that filled the folder wrote there.
    """
    first, n_rows, place = _outline(files[0])
    places = [place]
    for file in files[1:]:
        schema, more, place = _outline(file)
        if not schema.equals(first, check_metadata=True):
            raise InputError(
                f"{file}: has other columns or another origin than {files[0]}; a folder holds "
                "the parts of one table."
            )
        n_rows += more
        places.append(place)
    if list(files) != [path]:
        check_places(path, files, places)
        if any(places) and not is_url(path):
            check_footers(Path(path))
    return first, n_rows


def _outline(path):
    """Return a file's schema, its number of rows, and which part of which job it is."""
    layout = {".npz": "arrays", ".csv": "csv"}.get(os.path.splitext(path)[1])
    if layout is not None:
        raise InputError(
            f"{path}: no face table; make one: sfumato data import {layout} {path} -o OUTPUT."
        )
    try:
        with open_parquet(path) as file:
            schema, n_rows = file.schema_arrow, file.metadata.num_rows
    except DAMAGED as error:
        said = " ".join(str(error).split())[:200]  # In several lines, of some damages.
        raise InputError(f"{path}: not a readable Parquet file ({said}).") from error
    metadata = dict(schema.metadata or {})
    place = Place.of(metadata)
    metadata.pop(KEY, None)
    return schema.with_metadata(metadata or None), n_rows, place
