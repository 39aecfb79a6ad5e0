"""Which label columns are the context of a fit: those that are named, or all that can be.

``all`` takes every label column of any table, but for the attributes, the population, columns of
which a rule picks one value, and what is no label: text with more than :data:`N_NAMES` distinct
values (such as a path), whole numbers that are different in every row (such as a row's number),
and columns with one value. A table that lacks a column has it unknown.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from sfumato.data.selection import Selection
from sfumato.data.selection_rules import parse_rule
from sfumato.data.table_labels import check_attributes, distinct_values
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError

ALL = "all"
#: Text with more distinct values than this names rows.
N_NAMES = 100


def context_columns(
    asked: Sequence[str],
    tables: Sequence[FaceTable],
    attributes: Collection[str],
    population: str | None,
    selections: Sequence[Selection],
) -> tuple[list[str], list[str]]:
    """Return the context's columns, and a sentence on label columns that are none.

    Parameters
    ----------
    asked : list of str
        Columns, or ``["all"]``. A column of this name goes before the word.
    tables : list of FaceTable
    attributes : collection of str
        What is taken out.
    population : str or None
    selections : list of Selection
        One a table.

    Raises
    ------
    InputError
        For a column that no table has or that is an attribute, and for ``all`` where there is
        none to take.
    """
    if list(asked) != [ALL] or any(ALL in table.columns for table in tables):
        if asked:
            check_attributes(asked, "context")
        for name in asked:
            if name in attributes:
                raise InputError(f"context {name} is taken out itself; name other labels.")
            if not any(name in table.columns for table in tables):
                tables[0].require(name)
        return list(asked), []
    reasons: dict[str, str] = {}
    for name in dict.fromkeys(name for table in tables for name in table.label_columns):
        if name not in (*attributes, population):
            reasons[name] = _why_not(name, tables, selections)
    used = [name for name, reason in reasons.items() if not reason]
    if not used:
        raise InputError(
            f"context {ALL}: {tables[0].path.name} has no other label; add one, or leave context "
            "out."
        )
    others = [f"{name} ({reason})" for name, reason in reasons.items() if reason]
    return used, [f"context {ALL} leaves out {', '.join(others)}."] if others else []


def said_rules(selection: Selection, selections: Sequence[Selection]) -> Any:
    """Return what a model says of its rules: one for all tables as it stands, else by table."""
    if selection.where is None or {each.rules for each in selections} == {(selection.where,)}:
        return selection.where
    return [list(each.rules) for each in selections]


def _why_not(name, tables, selections):
    """Return why a column is no context, an empty text if it is."""
    having = [n for n, table in enumerate(tables) if name in table.label_columns]
    for n in having:
        picked = [parse_rule(rule) for rule in selections[n].rules]
        if any((c, how) == (name, "=") and not v.startswith("!") for c, how, v in picked):
            return "a rule picks by it"
    values = distinct_values([tables[n] for n in having], name)
    if len(values) < 2:
        return "one value"
    texts = sum(isinstance(value, str) for value in values.tolist())
    if texts > N_NAMES:
        return f"text with {texts:,} distinct values"
    if len(values) == sum(tables[n].n_rows for n in having) and _are_whole(values):
        return "a different whole number in every row"
    return ""


def _are_whole(values):
    numbers = values.tolist()
    return not any(isinstance(v, str) for v in numbers) and bool(np.all(values == values // 1))
