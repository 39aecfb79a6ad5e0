"""Numbers that a table of one's own holds as text: named, not left out."""

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sfumato.errors import InputError

#: What a numbered column's name begins with, and its number.
NUMBERED = re.compile(r"(.*?)(\d+)")


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column's type is text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def refuse_text_beside(names: Sequence[str], raw: pa.Table, path: Any) -> None:
    """Refuse numbered features beside a column of the same name that holds a number as text."""
    match = NUMBERED.fullmatch(names[0])
    if len(names) < 2 or match is None:
        return
    for field in raw.schema:
        other = NUMBERED.fullmatch(field.name)
        if other is None or other[1] != match[1] or not is_text(field.type):
            continue
        texts = raw[field.name].to_pylist()
        numbers = [text is None or _reads_as_number(text) for text in texts]
        if any(text is not None and good for text, good in zip(texts, numbers, strict=True)):
            row = numbers.index(False) if False in numbers else 0
            raise InputError(
                f"{path}, row {row}: {field.name} is {texts[row]!r}, where numbers stand beside "
                f"{names[0]} ... {names[-1]}; correct it."
            )


def _reads_as_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def say_text(raw: pa.Table) -> str:
    """Return what is to be said of a column of lists that were written as text."""
    for field in raw.schema:
        if is_text(field.type):
            texts = raw[field.name].drop_null()
            if len(texts) and str(texts[0]).lstrip().startswith("["):
                return f" `{field.name}` holds lists as text, as in a CSV; write Parquet instead."
    return ""
