"""Texts that are too long to be a name or a label, such as captions and whole files."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sfumato.data.canonical import NAMES
from sfumato.data.labels import MAX_TEXT
from sfumato.errors import InputError


def refuse_long(
    table: Any,
    batch: pa.RecordBatch,
    columns: Iterable[str] = NAMES,
    start: int = 0,
    groups: Any = None,
) -> None:
    """Refuse a text of more than :data:`~sfumato.data.labels.MAX_TEXT` characters.

    Parameters
    ----------
    table : FaceTable
    batch : pyarrow.RecordBatch
        Of its rows.
    columns : iterable of str, default=("image_id", "identity")
        Names and labels; those that the batch lacks are passed over, and those of numbers.
    start : int, default=0
        Number of the batch's first row.
    groups : iterable, optional
        The row groups of the table from whose first row ``start`` counts; default: all.
    """
    for name in set(columns) & set(batch.schema.names):
        found = long_text(batch.column(name))
        if found is not None:
            row, n = found
            raise InputError(say_long(table.path, _before(table, groups) + start + row, name, n))


def long_text(column: pa.Array) -> tuple[int, int] | None:
    """Return the row of the first text that is too long, and its characters; or None.

    Examples
    --------
    >>> long_text(pa.array(["m", "x" * 1001])), long_text(pa.array(["m", "ü" * 1000]))
    ((1, 1001), None)
    """
    coded = isinstance(column, pa.DictionaryArray)
    texts = column.dictionary if coded else column
    is_text = pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)
    # A text has no more characters than bytes, which are counted without looking at them.
    if not is_text or (pc.max(pc.binary_length(texts)).as_py() or 0) <= MAX_TEXT:  # type: ignore[attr-defined]
        return None
    lengths = pc.utf8_length(texts)  # type: ignore[attr-defined]
    if coded:
        lengths = lengths.take(column.indices)
    row = pc.index(pc.greater(lengths, MAX_TEXT), True).as_py()  # type: ignore[attr-defined]
    return None if row < 0 else (row, lengths[row].as_py())


def say_long(path: Any, row: int, name: str, n: int) -> str:
    """Return the one line about a text that is too long."""
    return (
        f"{path}, row {row}: {name} has {n:,} characters, a name or label at most {MAX_TEXT:,}; "
        "shorten it, or leave the column out."
    )


def _before(table: Any, groups: Any) -> int:
    """Return the rows of a table before the first of some row groups."""
    if groups is None:
        return 0
    first = min(group[:2] for group in groups)
    return sum(n for place, number, n in table.row_groups() if (place, number) < first)
