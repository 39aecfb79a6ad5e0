"""What labels look like besides what they are: one class in two spellings, numbers as text."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from sfumato.data.labels import N_DISTINCT, as_text
from sfumato.data.names import whole_number


def say_doubts(name: str, values: Any) -> list[str]:
    """Return what is doubtful in an attribute's classes, a sentence each.

    Parameters
    ----------
    name : str
    values : sequence
        Classes, or labels that are not on a scale. Only text can be doubtful.
    """
    texts = [value for value in values if isinstance(value, str)]
    known = [text for text in as_text(texts).tolist() if text is not None]
    return say_alike(name, known) + say_spellings(name, known) + say_numbers(name, known)


def say_spellings(name: str, classes: Sequence[str]) -> list[str]:
    """Return a sentence for each whole number that stands as text in several spellings.

    Examples
    --------
    >>> say_spellings("race", ["1", "2", "2.0"])
    ["race: '2', '2.0' are one number as text; write them alike if they are one."]
    """
    groups: dict[str, list[str]] = {}
    for text in sorted(set(classes)):
        groups.setdefault(whole_number(text) or text, []).append(text)
    return [
        f"{name}: {', '.join(map(repr, found))} are one number as text; write them alike if they "
        "are one."
        for found in groups.values()
        if len(found) > 1
    ]


def say_numbers(name: str, classes: Sequence[str]) -> list[str]:
    """Return a sentence if more classes than numbers would have are numbers written as text.

    Examples
    --------
    >>> say_numbers("age", [str(age) for age in range(20, 60)])
    ["age: 40 classes that look like numbers, such as '20', stand as text, so that each is a \
class of its own; store them as numbers, or write groups such as '20-29'."]
    >>> say_numbers("site", ["1", "2", "3"])
    []
    """
    distinct = sorted(set(classes))
    if len(distinct) <= N_DISTINCT or not all(map(_is_number, distinct)):
        return []
    return [
        f"{name}: {len(distinct):,} classes that look like numbers, such as {distinct[0]!r}, "
        "stand as text, so that each is a class of its own; store them as numbers, or write "
        "groups such as '20-29'."
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def alike(classes: Sequence[str]) -> list[list[str]]:
    """Return groups of texts that differ in blanks, case or Unicode's composition alone.

    Each group is probably one class, or one name.

    Examples
    --------
    >>> alike(["m", "f", "m ", "M"])
    [['M', 'm', 'm ']]
    """
    groups: dict[str, list[str]] = {}
    for text in sorted(set(classes)):
        plain = unicodedata.normalize("NFKC", text).casefold()
        groups.setdefault(" ".join(plain.split()), []).append(text)
    return [found for found in groups.values() if len(found) > 1]


def say_alike(name: str, classes: Sequence[str]) -> list[str]:
    """Return a sentence for each group of :func:`alike`.

    Examples
    --------
    >>> say_alike("gender", ["m", "f", "m "])
    ["gender: 'm', 'm ' differ in blanks or case alone; write them alike if they are one."]
    """
    return [
        f"{name}: {', '.join(map(repr, found))} differ in blanks or case alone; write them alike "
        "if they are one."
        for found in alike(classes)
    ]
