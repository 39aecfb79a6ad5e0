"""What commands print: results and JSON on stdout, progress and errors on stderr."""

import contextlib
import json

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

results = Console()
errors = Console(stderr=True)

DONE, DONE_WITH_REJECTS, BAD_INPUT = 0, 1, 2


def print_json(value):
    """Print ``value`` (dicts, lists, NumPy scalars and arrays) as JSON, alone on stdout."""
    print(json.dumps(value, indent=2, default=_plain, allow_nan=False))


def _plain(value):
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def reading_text(value):
    """Return a reading's label and probability, or the age and its interval, in a few words."""
    if "years" in value:
        return f"{value['years']} ({value['low']}-{value['high']})"
    return f"{value['label']} {value['probability']:.2f}"


def progress_bar():
    """Return a Rich progress bar on stderr with counts, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
    )


@contextlib.contextmanager
def track(description):
    """Show a progress bar and give a callback ``progress(n_done, n_total, what)``."""
    with progress_bar() as bar:
        task = bar.add_task(description, total=None)

        def progress(n_done, n_total, what):
            bar.update(task, completed=n_done, total=n_total, description=f"{description}: {what}")

        yield progress
