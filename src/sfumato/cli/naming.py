"""What the words of ``sfumato fit [METHOD] TABLE`` are: a method's name, or a table."""

import difflib
import os
from pathlib import Path

from sfumato.errors import InputError
from sfumato.models.registry import ERASERS, RECOMMENDED

#: What people type where they want to see what there is.
LISTS = ("list", "ls", "methods", "help")


def no_list(word: str | None) -> str | None:
    """Refuse `list` in the place of a method or table, before options are asked for."""
    if word in LISTS and not os.path.lexists(word):
        raise InputError(f"{word}: no such file; did you mean `sfumato methods`?")
    return word


def method_and_table(first: str | None, second: Path | None) -> tuple[str, Path]:
    """Return the method and the table of one word or two.

    Parameters
    ----------
    first : str or None
        A method, or, alone, the table for the recommended one.
    second : Path or None
        The table.

    Raises
    ------
    InputError
        If there is no word, a method stands alone, or the first of two words is no method.
    """
    if first is None:
        raise InputError("name a table: sfumato fit TABLE -a gender -o MODEL.")
    if second is not None:
        if first not in ERASERS:
            raise InputError(_no_method(first, second))
        return first, second
    if first in ERASERS:
        file = f", or ./{first} for the file of that name" if os.path.lexists(first) else ""
        raise InputError(f"{first} is a method; name the table after it{file}.")
    close = difflib.get_close_matches(first, ERASERS, 1)
    if close and os.sep not in first and not os.path.lexists(first):
        raise InputError(f"{first}: no such file; did you mean {close[0]} and a table?")
    return RECOMMENDED, Path(first)


def _no_method(first, second):
    if str(second) in ERASERS:
        return f"write the method first: {second} {first}."
    close = difflib.get_close_matches(first, ERASERS, 1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"method must be one of {', '.join(ERASERS)}, got {first!r}.{meant}"
