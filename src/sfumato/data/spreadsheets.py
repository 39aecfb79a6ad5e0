"""CSV files that no spreadsheet runs.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, whoever wrote
it there: a photo's name may. So an apostrophe goes before such texts, as OWASP advises ("CSV
injection"), and before those that begin with a tab, the end of a line or a full-width sign; the
same inside of a text after a semicolon, a tab or the end of a line, where spreadsheets of some
countries begin a cell. Numbers stay as they are. A text that begins with apostrophes before such
a sign gets one more, so that reading takes off exactly what writing put there.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sfumato.files import atomic_path

_START = r"(?:^|(?<=[;\t\r\n]))"
#: Blanks and the like may be passed over.
_FORMULA = r"(?=[ \xa0\x00\ufeff']*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"
_BEFORE = re.compile(_START + _FORMULA)
_GUARD = re.compile(f"{_START}'{_FORMULA}")


def guard_cell(text: str) -> str:
    """Return a text with an apostrophe wherever a spreadsheet would begin a formula.

    Examples
    --------
    >>> guard_cell("=1+1"), guard_cell("a=b"), guard_cell("x;-1"), guard_cell("'=1")
    ("'=1+1", 'a=b', "x;'-1", "''=1")
    """
    return _BEFORE.sub("'", text)


def unguard_cell(text: str) -> str:
    """Return a text as it was before :func:`guard_cell`.

    Examples
    --------
    >>> unguard_cell("'=1+1"), unguard_cell("O'Hara"), unguard_cell("'tis")
    ('=1+1', "O'Hara", "'tis")
    """
    return _GUARD.sub("", text)


def unguard_column(column: pa.StringArray) -> pa.StringArray:
    """Return texts of shape (n_rows,) as they were before :func:`guard_cell`."""
    mask = pc.fill_null(pc.match_substring(column, "'"), False)
    texts = [unguard_cell(text) for text in column.filter(mask).to_pylist()]
    return pc.replace_with_mask(column, mask, pa.array(texts, column.type))


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a CSV file in UTF-8, whole or not at all.

    Parameters
    ----------
    path : str or Path
    columns : sequence of str
    rows : iterable of mapping
        Of each row the values by column.

    Returns
    -------
    int
        How many texts, headings included, :func:`guard_cell` changed.
    """
    n_guarded = 0

    def guard(value):
        nonlocal n_guarded
        if not isinstance(value, str):
            return value
        guarded = guard_cell(value)
        n_guarded += guarded != value
        return guarded

    with (
        atomic_path(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([guard(name) for name in columns])
        writer.writerows([guard(row[name]) for name in columns] for row in rows)
    return n_guarded
