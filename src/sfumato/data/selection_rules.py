"""Rules that pick rows: ``column=value``, ``column>=number``, for all tables or for one."""

import contextlib
import math
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sfumato.data.canonical import text_column
from sfumato.data.labels import as_text
from sfumato.errors import InputError

_RULE = re.compile(r"(.+?)(>=|<=|=|>|<)(.+)", re.DOTALL)
_COMPARE = {">=": "greater_equal", "<=": "less_equal", ">": "greater", "<": "less"}


def rules_of(rules: Sequence[str], tables: Sequence[Any]) -> list[tuple[str, ...]]:
    """Return the rules of each table: those for all, and those for it alone.

    Parameters
    ----------
    rules : sequence of str
        As of :class:`Selection`; ``"TABLE:rule"`` concerns the table of this path, file name or
        file name without ending.
    tables : list of FaceTable

    Raises
    ------
    InputError
        For a name that several tables have, and a column that none has.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> tables = [SimpleNamespace(path=p, columns=["age"]) for p in ("a.parquet", "b.parquet")]
    >>> rules_of(["b:age>=14", "age<90"], tables)
    [('age<90',), ('age>=14', 'age<90')]
    """
    found: list[list[str]] = [[] for _ in tables]
    for rule in rules:
        places, own = _concerned(rule, tables)
        for place in places:
            found[place].append(own)
    return [tuple(each) for each in found]


def _concerned(rule, tables):
    """Return the numbers of the tables that a rule is for, and it without their name."""
    paths = [str(table.path) for table in tables]
    column = parse_rule(rule)[0]
    for names in (paths, [PurePath(p).name for p in paths], [PurePath(p).stem for p in paths]):
        for name in dict.fromkeys(names):
            if rule.startswith(f"{name}:") and len(rule) > len(name) + 1:
                if names.count(name) > 1:
                    raise InputError(
                        f"where {rule!r}: {names.count(name)} tables are called {name!r}; give "
                        "the path."
                    )
                return [names.index(name)], rule[len(name) + 1 :]
    if ":" in column and not any(column in table.columns for table in tables):
        called = ", ".join(PurePath(path).stem for path in paths)
        raise InputError(
            f"where {rule!r}: no table is called {column.split(':')[0]!r}; they are {called}."
        )
    return range(len(tables)), rule


def exclusive(rules: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether no row fulfils all of these rules and all of the others.

    Examples
    --------
    >>> exclusive(["partition=test"], ["partition=train", "gender=male"])
    True
    >>> exclusive(["partition=test"], ["partition=!train"])
    False
    """
    return any(_apart(parse_rule(a), parse_rule(b)) for a in rules for b in others)


def _apart(first, second):
    (column, *comparisons, value), (other_column, *others, other) = first, second
    if column != other_column or [*comparisons, *others] != ["=", "="]:
        return False
    opposite = value == f"!{other}" or other == f"!{value}"
    return opposite or (value != other and "!" not in value + other)


def parse_rule(rule: str) -> tuple[str, str, str]:
    """Return column, comparison and value of a rule."""
    found = _RULE.fullmatch(rule)
    if found is None or (found[2], found[3]) == ("=", "!"):
        raise InputError(f"where must read column=value, got {rule!r}.")
    return found[1], found[2], found[3]


def check_rule(rule: str, table: Any) -> None:
    """Refuse a rule on a column that a table lacks, or whose value the column cannot hold."""
    column, comparison, value = parse_rule(rule)
    kind = table.require(column).schema.field(column).type
    if comparison == "=":
        value = value.removeprefix("!")
        if pa.types.is_boolean(kind) and value.strip().lower() not in ("true", "false"):
            raise InputError(f"where {rule!r}: {column} holds true or false, not {value!r}.")
        if not _holds_numbers(kind):
            return
    elif not _holds_numbers(kind):
        raise InputError(
            f"{table.path}: {rule!r} compares numbers, but {column} holds {kind}; give "
            f"{column}=value."
        )
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InputError(
            f"where {rule!r}: {value!r} is no number, but {column} holds numbers in {table.path}."
        )


def fulfils(batch: Any, rule: str) -> NDArray[np.bool_]:
    """Return which rows of a record batch fulfil a rule, bool of shape (n_rows,)."""
    column, comparison, value = parse_rule(rule)
    values = batch.column(column)
    if comparison == "=":
        wanted, value = not value.startswith("!"), value.removeprefix("!")
        found = pc.equal(text_column(values), _as_written(value, values.type))
    else:
        wanted = True
        found = _compare(values, comparison, value)
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False) == wanted


def _holds_numbers(kind):
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _compare(values, comparison, value):
    """Return how numbers compare to one, null where missing."""
    limit: Any = float(value)
    if pa.types.is_integer(values.type):
        # As integers: a float has no room for all of 64 bits.
        whole = _whole(value, up=comparison in (">=", "<"))
        try:
            limit = pa.scalar(whole, values.type)
        except (OverflowError, pa.ArrowInvalid):  # Beyond all integers of this type.
            above = (whole > 0) == (comparison in ("<", "<="))
            return pc.if_else(pc.is_valid(values), above, None)
    return pc.call_function(_COMPARE[comparison], [values, limit])


def _whole(value, *, up):
    """Return a number as an integer, of others the next one; for infinity a huge one."""
    with contextlib.suppress(ValueError):
        return int(value)
    number = float(value)
    if math.isinf(number):
        return int(math.copysign(2**64, number))
    return math.ceil(number) if up else math.floor(number)


def _as_written(value, kind):
    """Return the text that :func:`text_column` gives of a value that the user typed."""
    if pa.types.is_boolean(kind):
        return value.strip().lower()
    if _holds_numbers(kind):
        # Integers first: a float has no room for all of 64 bits.
        kinds: tuple[Any, ...] = (int, np.float32 if kind == pa.float32() else float)
        for number in kinds:
            with contextlib.suppress(ValueError, OverflowError):
                return as_text([number(value)])[0]
    return value
