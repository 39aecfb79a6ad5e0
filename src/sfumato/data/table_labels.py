"""The labels of whole tables: classes, or numbers on a scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from sfumato._constraints import Each, Instance, check_argument
from sfumato.data.canonical import RESERVED
from sfumato.data.label_hints import say_doubts, say_numbers
from sfumato.data.labels import (
    N_GROUPS,
    as_classes,
    as_text,
    is_continuous,
    is_missing,
    refuse_infinite,
)
from sfumato.data.long_texts import refuse_long
from sfumato.errors import InputError

#: A group of numbers should have so many rows, if there are more than three groups.
ROWS_PER_GROUP = 200


def check_attributes(names: Sequence[str], what: str = "attributes") -> None:
    """Raise InputError for no attribute, one that is given twice, or a column that is no label."""
    check_argument(names, Each(Instance(str)), what)
    for place, name in enumerate(names):
        if not name:
            raise InputError(f"{what} must name columns, one name is empty.")
        if name in RESERVED:
            raise InputError(f"{name} is no label; an attribute is one, such as gender.")
        if name in names[:place]:
            noun = "attribute" if what == "attributes" else what
            raise InputError(f"{noun} {name} is given twice; give it once.")


class Labels:
    """The protected attributes of tables, and which of them are numbers on a scale.

    A look at the whole columns decides once; a part of a table could decide otherwise.

    Parameters
    ----------
    tables : list of FaceTable
    names : list of str

    Attributes
    ----------
    continuous : dict of str to bool
    hints : list of str
        A sentence for each group of classes that differ in blanks or case alone, and for numbers
        that stand as text.
    numbers : list of str
        The latter alone.
    """

    def __init__(self, tables: list[Any], names: list[str]) -> None:
        check_attributes(names)
        self.names = list(names)
        distinct = {name: distinct_values(tables, name) for name in names}
        for name in names:
            refuse_infinite(distinct[name], name)
        self.continuous = {name: is_continuous(values) for name, values in distinct.items()}
        for name in (name for name in names if self.continuous[name]):
            numbers = np.asarray(distinct[name], dtype=np.float64)
            wrong = numbers[~(np.abs(numbers) <= 1e15)]
            if wrong.size:
                raise InputError(
                    f"{name} holds {wrong[0]:g}; numbers on a scale must be at most 1e15 in size, "
                    "correct it or leave it empty."
                )
        self._n_distinct = {name: len(values) for name, values in distinct.items()}
        texts = {
            name: [value for value in values if isinstance(value, str)]
            for name, values in distinct.items()
        }
        self.numbers = [hint for name in names for hint in say_numbers(name, texts[name])]
        self.hints = [hint for name in names for hint in say_doubts(name, texts[name])]

    def classes(self, columns: Any, n_groups: int = N_GROUPS) -> Any:
        """Return classes, None where missing, of shape (n_samples, n_attributes).

        Continuous numbers are cut into ``n_groups`` groups, or fewer of few rows.
        """
        n_groups = fewer_groups(n_groups, len(columns[self.names[0]]))
        return np.stack(
            [
                as_classes(columns[name], name, n_groups=n_groups)
                if self.continuous[name]
                else as_text(columns[name])
                for name in self.names
            ],
            axis=1,
        )

    def treated(self, eraser: Any, n_rows: int) -> dict[str, str]:
        """Return how the continuous attributes were treated, a sentence's end by name."""
        n_groups = fewer_groups(eraser.n_groups, n_rows)
        how = "taken out as numbers" if eraser.continuous else f"cut into {n_groups} groups"
        return {
            name: f"continuous, {self._n_distinct[name]} distinct values, {how}"
            for name in self.names
            if self.continuous[name]
        }


def fewer_groups(n_groups: int, n_rows: int) -> int:
    """Return into how many groups numbers are cut: fewer where a group would have few rows."""
    return max(min(N_GROUPS, n_groups), min(n_groups, n_rows // ROWS_PER_GROUP))


def distinct_values(tables: Sequence[Any], name: str) -> NDArray[np.object_]:
    """Return the distinct values of a column of several tables, without the missing ones."""
    parts = []
    for table in tables:
        start = 0
        for batch in table.batches([name]):
            refuse_long(table, batch, [name], start)
            parts.append(pc.unique(batch.column(0)).to_numpy(zero_copy_only=False).astype(object))
            start += batch.num_rows
    values = np.concatenate([np.empty(0, dtype=object), *parts])
    known = values[~is_missing(values)]
    return np.array(list(dict.fromkeys(known.tolist())), dtype=object)
