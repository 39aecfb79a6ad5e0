"""Which rows of a face table take part: by a column's value, by person, by number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sfumato._constraints import (
    POSITIVE,
    SEED,
    Each,
    Instance,
    Optional,
    StrOptions,
    check_argument,
)
from sfumato.data.columns import embedding_matrix
from sfumato.data.info import by_direction
from sfumato.data.labels import as_text, is_missing
from sfumato.data.long_texts import refuse_long
from sfumato.data.rows import NO_DIRECTION, zero_rows
from sfumato.data.selection_rules import check_rule, fulfils, parse_rule, rules_of
from sfumato.data.splits import ERASER_SHARE, split_identities
from sfumato.errors import InputError

_HALF = Optional(StrOptions(("eraser", "attacker")))
_RULES = Optional(Each(Instance(str)))


@dataclass(frozen=True)
class Selection:
    """A rule that picks rows of a face table batch by batch.

    Parameters
    ----------
    where : str or tuple of str, optional
        ``"column=value"``; a leading ``!`` before the value picks all other rows. Numbers and
        booleans are compared by value: ``race=0`` also picks 0.0, ``smiling=True`` true. Of a
        column of numbers also ``"column>=value"``, ``>``, ``<=`` and ``<``, which a missing
        value never fulfils. Several rules must all hold.
    half : {"eraser", "attacker"}, optional
        One side of :func:`~sfumato.data.splits.split_identities` over all people; tables
        without identities are split by image.
    share : float, optional
        A share of the people, so that a huge table gives a sample.
    seed : int, default=0
        Of the split.
    """

    where: str | tuple[str, ...] | None = None
    half: str | None = None
    share: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.where, str):
            check_argument(self.where or None, _RULES, "where")
        check_argument(self.half, _HALF, "half")
        check_argument(self.share, Optional(POSITIVE), "share")
        check_argument(self.seed, SEED, "seed")

    @property
    def rules(self) -> tuple[str, ...]:
        """What ``where`` says, one rule an entry."""
        return (self.where,) if isinstance(self.where, str) else tuple(self.where or ())

    @property
    def rule_columns(self) -> list[str]:
        """The columns that ``where`` looks at, each once."""
        return list(dict.fromkeys(parse_rule(rule)[0] for rule in self.rules))

    def columns(self, table: Any) -> Any:
        """Return the columns that the rule needs of a table."""
        names = ["identity" if "identity" in table.columns else "image_id"]
        return [*names, *self.rule_columns]

    def check(self, table: Any) -> Self:
        """Refuse a table without a rule's column; return self."""
        for rule in self.rules:
            check_rule(rule, table)
        return self

    def mask(self, batch: Any) -> Any:
        """Return which rows of a record batch are picked, bool of shape (n_rows,)."""
        picked = np.ones(batch.num_rows, dtype=bool)
        for rule in self.rules:
            picked &= fulfils(batch, rule)
        if self.half is not None:
            first, second = _people_masks(batch, ERASER_SHARE, self.seed)
            picked &= first if self.half == "eraser" else second
        if self.share is not None and self.share < 1:
            # Another seed: the sample must not follow the split.
            picked &= _people_masks(batch, self.share, f"sample {self.seed}")[0]
        return picked

    def each(self, tables: Sequence[Any]) -> list["Selection"]:
        """Return the selection of each table; a rule may name its table.

        See :func:`~sfumato.data.selection_rules.rules_of`.
        """
        return [replace(self, where=rules) for rules in rules_of(self.rules, tables)]

    def describe(self) -> Any:
        """Return the rule in words, for a model's or a report's provenance."""
        parts = list(self.rules)
        parts += [f"{self.half} half of the people, seed {self.seed}"] if self.half else []
        return ", ".join(parts) or "all rows"


def _people_masks(batch, share, seed):
    column = "identity" if "identity" in batch.schema.names else "image_id"
    people = batch.column(column)
    if people.null_count:
        row = int(np.flatnonzero(people.is_null())[0])
        name = batch.column("image_id")[row].as_py() if "image_id" in batch.schema.names else row
        raise InputError(f"identity of row {name!r} is missing; drop the row or name it.")
    people = pc.dictionary_encode(people)
    first, _ = split_identities(people.dictionary.to_pylist(), share, seed=seed)
    first = first[people.indices.to_numpy()]
    return first, ~first


def selected_batches(table: Any, selection: Any, labels: Sequence[Any] = ()) -> Iterator[Any]:
    """Yield ``(record batch, embeddings)`` of the picked rows, labels included."""
    selection.check(table)
    table.require("embedding", *labels)
    columns = dict.fromkeys(["image_id", *selection.columns(table), *labels])
    by_angle = by_direction(table.info.metric)
    for start, batch, X in table.embedding_batches(list(columns)):
        if by_angle and (zeros := zero_rows(X)).size:
            raise InputError(f"{table.path}, row {start + zeros[0]}: {NO_DIRECTION}.")
        refuse_long(table, batch, [*labels, *selection.rule_columns], start)
        try:
            mask = selection.mask(batch)
        except InputError as error:
            raise InputError(f"{table.path}: {error}") from None
        if mask.all():
            yield batch.drop_columns(["embedding"]), X
        elif mask.any():
            yield batch.drop_columns(["embedding"]).filter(pa.array(mask)), X[mask]


def read_rows(table: Any, selection: Any, labels: Sequence[Any] = ()) -> tuple[Any, ...]:
    """Return the picked rows as ``(columns, X)``: a dict of arrays, and float32 embeddings.

    Raises
    ------
    InputError
        If no row is picked.
    """
    batches, parts = [], []
    for batch, X in selected_batches(table, selection, labels):
        batches.append(batch)
        parts.append(np.array(X))
    if not parts:
        raise InputError(f"{table.path}: no row is left by {selection.describe()}.")
    rows = pa.Table.from_batches(batches)
    columns = {name: rows[name].to_numpy() for name in rows.column_names}
    return columns, np.concatenate(parts)


def check_people(table: Any, image_ids: Any, identity: Any) -> None:
    """Refuse rows without a person, naming the file and the first one's ``image_id``."""
    missing = np.flatnonzero(is_missing(identity))
    if missing.size:
        raise InputError(
            f"{table.path}: identity of row {image_ids[missing[0]]!r} is missing; drop the row or "
            "name it."
        )


def matching_rows(table: Any, image_ids: Sequence[Any]) -> NDArray[Any]:
    """Return a table's embeddings for the given ids, in their order.

    Parameters
    ----------
    table : FaceTable
    image_ids : sequence of length n

    Returns
    -------
    ndarray of shape (n, n_features)

    Raises
    ------
    InputError
        If an id is not in the table.
    """
    wanted = pa.array(as_text(image_ids).tolist(), pa.string())
    X = np.empty((len(wanted), table.info.dimension), dtype=np.float32)
    found = np.zeros(len(wanted), dtype=bool)
    for batch in table.require("embedding").batches(["image_id", "embedding"]):
        place = pc.index_in(batch.column("image_id"), value_set=wanted)
        rows = np.flatnonzero(place.is_valid())
        if len(rows):
            taken = batch.column("embedding").take(pa.array(rows))
            place = place.drop_null().to_numpy()
            X[place] = embedding_matrix(taken, table.info.dimension, table.path)
            found[place] = True
    if not found.all():
        missing = wanted[int(np.flatnonzero(~found)[0])]
        raise InputError(
            f"{table.path}: {np.sum(~found)} rows are missing, the first has image_id "
            f"'{missing}'; protect the whole table."
        )
    return X
