"""Open whatever a user calls a table."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sfumato.data.files import DAMAGED, is_url
from sfumato.data.lance import open_face_table
from sfumato.data.own import Columns, OwnTable, may_embed
from sfumato.data.reading import is_table
from sfumato.data.tables import FaceTable


def open_table(source: Any, columns: Columns | None = None) -> FaceTable:
    """Return a table as a face table.

    Parameters
    ----------
    source : FaceTable, str, Path, mapping or table
        A face table, its path or URL, or that of a Lance table; or a table of another layout,
        see :class:`~sfumato.data.own.OwnTable`.
    columns : Columns, optional
        Which columns are what; by default those of a face table, else they are guessed.

    Returns
    -------
    FaceTable
        Its ``hints`` say what was guessed.

    Raises
    ------
    InputError
        If it cannot be read, or no column could be the embedding.
    """
    if isinstance(source, FaceTable):
        return source
    if is_table(source) or not isinstance(source, str | Path):
        return OwnTable(source, columns)
    named = columns is not None and columns != Columns()
    if named or (not is_url(source) and _is_foreign(Path(source))):
        return OwnTable(source, columns)
    return open_face_table(source)


def _is_foreign(path):
    """Return whether a file is a table of another layout than a face table's."""
    if path.suffix.lower() in (".csv", ".tsv", ".npy", ".npz", ".arrow", ".feather"):
        return path.is_file()
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return False
    try:
        schema = pq.read_schema(path)
    except DAMAGED:
        return False  # FaceTable says what is wrong.
    names = set(schema.names)
    return not ("image_id" in names and {"embedding", "image"} & names) and may_embed(schema)
