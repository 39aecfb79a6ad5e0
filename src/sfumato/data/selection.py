"""Which rows of a face table take part: by a column's value, by person, by number."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sfumato.data.canonical import text_column
from sfumato.data.columns import embedding_matrix
from sfumato.data.labels import as_text, is_missing
from sfumato.data.splits import ERASER_SHARE, split_identities
from sfumato.errors import InputError


@dataclass(frozen=True)
class Selection:
    """A rule that picks rows of a face table batch by batch.

    Parameters
    ----------
    where : str, optional
        ``"column=value"``; a leading ``!`` before the value picks all other rows. Numbers and
        booleans are compared by value: ``race=0`` also picks 0.0, ``smiling=True`` true.
    half : {"eraser", "attacker"}, optional
        One side of :func:`~sfumato.data.splits.split_identities` over all people; tables
        without identities are split by image.
    share : float, optional
        A share of the people, so that a huge table gives a sample.
    seed : int, default=0
        Of the split.
    """

    where: str | None = None
    half: str | None = None
    share: float | None = None
    seed: int = 0

    @property
    def column(self) -> Any:
        """The column that ``where`` looks at, or None."""
        return None if self.where is None else _parse(self.where)[0]

    def columns(self, table: Any) -> Any:
        """Return the columns that the rule needs of a table."""
        names = ["identity" if "identity" in table.columns else "image_id"]
        return names if self.column is None else [*names, self.column]

    def check(self, table: Any) -> Self:
        """Refuse a table without the rule's column; return self."""
        if self.column is not None:
            table.require(self.column)
        return self

    def mask(self, batch: Any) -> Any:
        """Return which rows of a record batch are picked, bool of shape (n_rows,)."""
        picked = np.ones(batch.num_rows, dtype=bool)
        if self.where is not None:
            column, value, wanted = _parse(self.where)
            values = batch.column(column)
            equal = pc.equal(text_column(values), _as_written(value, values.type))
            picked &= pc.fill_null(equal, False).to_numpy(zero_copy_only=False) == wanted
        if self.half is not None:
            first, second = _people_masks(batch, ERASER_SHARE, self.seed)
            picked &= first if self.half == "eraser" else second
        if self.share is not None and self.share < 1:
            # Another seed: the sample must not follow the split.
            picked &= _people_masks(batch, self.share, f"sample {self.seed}")[0]
        return picked

    def describe(self) -> Any:
        """Return the rule in words, for a model's or a report's provenance."""
        parts = [self.where] if self.where else []
        parts += [f"{self.half} half of the people, seed {self.seed}"] if self.half else []
        return ", ".join(parts) or "all rows"


def _parse(where):
    column, found, value = where.partition("=")
    if not found or not column or not value:
        raise InputError(f"where must read column=value, got {where!r}.")
    return column, value.removeprefix("!"), not value.startswith("!")


def _as_written(value, kind):
    """Return the text that :func:`text_column` gives of a value that the user typed."""
    if pa.types.is_boolean(kind):
        return value.strip().lower()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        # Integers first: a float has no room for all of 64 bits.
        kinds: tuple[Any, ...] = (int, np.float32 if kind == pa.float32() else float)
        for number in kinds:
            with contextlib.suppress(ValueError, OverflowError):
                return as_text([number(value)])[0]
    return value


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
    by_angle = table.info.metric not in ("euclidean", "agreement")
    for start, batch, X in table.embedding_batches(list(columns)):
        if by_angle and not X.any(axis=1).all():
            row = start + int(np.flatnonzero(~X.any(axis=1))[0])
            raise InputError(
                f"{table.path}, row {row}: an embedding of zeros has no direction, which "
                f"{table.info.metric} compares; drop the row."
            )
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
