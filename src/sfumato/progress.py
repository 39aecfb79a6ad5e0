"""Progress bars of long work, shown by itself where somebody looks.

``progress=None`` of a function that may take minutes shows a bar on stderr if that is a terminal
or in a notebook, once the work has taken a second; ``progress=False`` shows none, a callable is
called instead. In pipes, tests, threads and worker processes nothing is shown, nor beneath another
bar.
"""

import contextlib
import multiprocessing
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from sfumato.outcomes import Progress

if TYPE_CHECKING:
    import rich.console
    import rich.progress

#: What functions with ``progress`` take.
Asked = Progress | Literal[False] | None
# Shorter work shows no bar.
DELAY = 1.0
_shown: ContextVar[bool] = ContextVar("a bar is shown", default=False)


def printable(value: object) -> str:
    r"""Return a value's text with control and direction characters as escapes.

    Examples
    --------
    >>> print(printable("a\x1b[31m\nb"))
    a\x1b[31m\nb
    """
    # Control, format (such as right-to-left overrides), lone surrogates, line breaks.
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else char
        for char in str(value)
    )


@contextlib.contextmanager
def told(progress: Asked, what: str) -> Iterator[Progress | None]:
    """Give the callable to tell of progress, or None where nobody wants to know.

    Parameters
    ----------
    progress : callable, False or None
        As the user gave it; None: a bar where somebody looks.
    what : str
        The work, in a word or two, before the bar.
    """
    bar = progress is None and not _shown.get() and _watched()
    with occupied(), contextlib.ExitStack() as stack:
        yield _Bar(what, stack) if bar else progress or None


@contextlib.contextmanager
def occupied() -> Iterator[None]:
    """Let nothing inside show a bar of its own accord."""
    token = _shown.set(True)
    try:
        yield
    finally:
        _shown.reset(token)


def make_bar(console: "rich.console.Console", **options: Any) -> "rich.progress.Progress":
    """Return a Rich progress bar with counts, elapsed and remaining time."""
    from rich import progress as rich

    return rich.Progress(
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
        console=console,
        **options,
    )


def within(progress: Progress | None, number: int, n_total: int) -> Progress | None:
    """Return the progress of one of several equal parts of the work, None without progress."""
    if progress is None or n_total == 1:
        return progress
    return lambda n_done, n_own, what: progress(
        number * (n_own or 1) + n_done, n_total * (n_own or 1), what
    )


class _Bar:
    """A bar that appears after a second and goes with the work."""

    def __init__(self, what: str, stack: contextlib.ExitStack) -> None:
        self._what, self._stack = what, stack
        self._bar: rich.progress.Progress | None = None
        self._started = time.monotonic()

    def __call__(self, n_done: int, n_total: int | None = None, what: str = "") -> None:
        if self._bar is None:
            if time.monotonic() - self._started < DELAY:
                return
            from rich.console import Console

            self._bar = self._stack.enter_context(make_bar(Console(stderr=True), transient=True))
            self._task = self._bar.add_task(printable(self._what), total=None)
        said = printable(f"{self._what}: {what}" if what else self._what)
        self._bar.update(self._task, completed=n_done, total=n_total, description=said)


def _watched():
    """Return whether somebody looks at what this process and thread write on stderr."""
    if multiprocessing.parent_process() is not None:
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    stream = sys.stderr
    if stream is not None and stream.isatty():
        return True
    shell = sys.modules.get("IPython")
    running = shell and shell.get_ipython()
    return type(running).__name__ == "ZMQInteractiveShell"
