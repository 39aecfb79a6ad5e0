"""What commands print: results and JSON on stdout, progress and errors on stderr.

Text is text: nothing of it is read as markup, and control characters are shown as escapes, so
that a file name or a label cannot steer the terminal.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sfumato.outcomes import SCHEMA_VERSION
from sfumato.progress import make_bar, occupied, printable

results = Console()
errors = Console(stderr=True)

DONE, DONE_WITH_REJECTS, BAD_INPUT, FAILED = 0, 1, 2, 3
SHOWN, REASONS = 50, 10
#: Of ``--seed``: what torch, NumPy and scikit-learn all take.
MAX_SEED = 2**32 - 1


def say(*lines: object, style: str = "") -> None:
    """Print lines on stdout."""
    for line in lines:
        results.print(Text(printable(line), style=style), soft_wrap=True)


def warn(*lines: object, style: str = "") -> None:
    """Print lines on stderr."""
    for line in lines:
        errors.print(Text(printable(line), style=style), soft_wrap=True)


def say_error(text: object) -> None:
    """Print an error's one line on stderr."""
    errors.print(Text.assemble(("Error: ", "bold red"), printable(text)), soft_wrap=True)


def warn_some(lines: Sequence[object], what: str = "lines") -> None:
    """Print the first of many lines on stderr, and how many more there are."""
    warn(*lines[:SHOWN])
    if len(lines) > SHOWN:
        warn(f"and {len(lines) - SHOWN:,} more {what}; --json prints all")


def warn_reasons(reasons: dict[str, int]) -> None:
    """Print the most frequent reasons of rejects on stderr, each with its count."""
    warn(*(f"{count:>8}  {reason}" for reason, count in list(reasons.items())[:REASONS]))
    if len(reasons) > REASONS:
        warn(f"{'':>8}  and {len(reasons) - REASONS} more reasons")


@contextlib.contextmanager
def wait(what: object) -> Iterator[None]:
    """Show on stderr that something goes on."""
    with occupied(), errors.status(Text(printable(what))):
        yield


def text_table(
    columns: Iterable[object],
    rows: Iterable[Sequence[object]],
    *,
    title: object = None,
    caption: object = None,
    right: Iterable[int] = (),
    sections: Iterable[int] = (),
) -> Table:
    """Return a Rich table of texts.

    Parameters
    ----------
    columns, rows
        Headings, and of each row a cell a column; a tuple gives the lines of a cell.
    title, caption : object, optional
    right : iterable of int
        Columns to align to the right.
    sections : iterable of int
        Rows after which a line is drawn.
    """
    aligned, ends = set(right), set(sections)
    table = Table(
        title=None if title is None else Text(printable(title)),
        caption=None if caption is None else Text(printable(caption)),
    )
    for number, heading in enumerate(columns):
        table.add_column(_cell(heading), justify="right" if number in aligned else "left")
    for number, cells in enumerate(rows):
        table.add_row(*map(_cell, cells), end_section=number in ends)
    return table


def show(table: Table) -> None:
    """Print a table on stdout."""
    results.print(table)


def print_json(value: object) -> None:
    """Print dicts, lists, NumPy scalars and arrays as JSON, alone on stdout.

    A dict says first which version of its form it is.
    """
    if isinstance(value, dict):
        value = {"schema_version": SCHEMA_VERSION} | value
    print(json.dumps(value, indent=2, default=_plain, allow_nan=False))


def reading_text(value: dict[str, Any]) -> str:
    """Return a reading's label and probability, or the age and its interval, in a few words."""
    if "years" in value:
        return f"{value['years']} ({value['low']}-{value['high']})"
    return f"{value['label']} {value['probability']:.2f}"


@contextlib.contextmanager
def track(description: str) -> Iterator[Any]:
    """Show a progress bar and give a callback ``progress(n_done, n_total, what)``."""
    with occupied(), make_bar(errors) as bar:
        task = bar.add_task(printable(description), total=None)

        def progress(n_done: int, n_total: int | None = None, what: str = "") -> None:
            said = printable(f"{description}: {what}" if what else description)
            bar.update(task, completed=n_done, total=n_total, description=said)

        yield progress


def _cell(value: object) -> Text:
    lines = value if isinstance(value, tuple) else (value,)
    return Text("\n".join(map(printable, lines)))


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
