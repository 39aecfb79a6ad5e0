"""What a person, a template or a probe may be called, wherever they come from."""

import re
from collections.abc import Iterable

from sfumato.errors import InputError

MAX_LENGTH = 256
#: Characters that would forge lines of logs and tables.
CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_CONTROL = re.compile(f"[{CONTROL}]")
#: Halves of characters, which bytes of another encoding become.
_HALVES = re.compile("[\ud800-\udfff]")
_UNWRITABLE = re.compile(f"[{CONTROL}\ud800-\udfff]")


def are_plain(names: Iterable[str]) -> bool:
    """Return whether :func:`name_fault` finds nothing in any of many names, all looked at at once.

    Examples
    --------
    >>> are_plain(["Ada", "photos/ada.jpg"]), are_plain(["Ada", ""]), are_plain(["Ada", "../ada"])
    (True, False, False)
    """
    names = list(names)
    text = "".join(names)
    if _UNWRITABLE.search(text) or any(not 1 <= len(name) <= MAX_LENGTH for name in names):
        return False
    # Nearly all names have none of these marks.
    return not (any(mark in text for mark in "\\./~") and any(map(is_foreign_path, names)))


def name_fault(name: str) -> str | None:
    r"""Return why a text is no name, or None.

    Examples
    --------
    >>> name_fault("Ada Lovelace"), name_fault("photos/ada.jpg")
    (None, None)
    >>> name_fault("a\nb")
    'has control characters or ends of lines'
    """
    if not 1 <= len(name) <= MAX_LENGTH:
        return f"has {len(name):,} characters, not 1 to {MAX_LENGTH}"
    if _CONTROL.search(name):
        return "has control characters or ends of lines"
    if not is_utf8(name):
        return "is no text in UTF-8"
    if is_foreign_path(name):
        return "is a path from elsewhere, such as /x, ../x or a\\b"
    return None


def is_foreign_path(name: str) -> bool:
    """Return whether a text is a path that leads out of the folder that it is looked for in."""
    parts = name.split("/")
    return "\\" in name or parts[0] in ("", "~") or "." in parts or ".." in parts


def is_utf8(name: str) -> bool:
    """Return whether a text can be written; bytes of another encoding that became text cannot."""
    return name.isascii() or not _HALVES.search(name)


def whole_number(name: str) -> str | None:
    """Return the one text of a whole number that is written as another, such as ``"7.0"``.

    Examples
    --------
    >>> whole_number("7.0"), whole_number("7"), whole_number("seven")
    ('7', None, None)
    """
    match = re.fullmatch(r"(-?\d+)\.0*", name)
    return match[1] if match else None


def whole_numbers(people: Iterable[str | None]) -> dict[str, str]:
    """Return :func:`whole_number` of each name of people that has one.

    Raises
    ------
    InputError
        For a name that is no text in UTF-8.
    """
    names = [name for name in people if name]
    for name in names:
        if not is_utf8(name):
            raise InputError(f"the person {name!a}: is no text in UTF-8, so nobody's name.")
    return {name: number for name in names if (number := whole_number(name))}
