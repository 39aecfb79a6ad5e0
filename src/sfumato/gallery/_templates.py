"""Templates with what made them, read batch by batch; bad rows are reported, not raised."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from sfumato.data.info import TableInfo
from sfumato.data.labels import as_text
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError

BATCH_ROWS = 8192
MAX_CATEGORY = 255


@dataclass(frozen=True)
class ProtectedTemplates:
    """Protected templates in memory.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows may be NaN or zero: they become rejects.
    info : TableInfo
        What made them; its transformations name the eraser.
    ids : sequence of str of length n_samples
        A name for each template.
    people : sequence of str of length n_samples, optional
        Who is in each; ``None`` where unknown, or no sequence at all.
    name : str, default="templates"
        For messages.
    """

    X: np.ndarray
    info: TableInfo
    ids: list
    people: list = field(default_factory=list)
    name: str = "templates"

    def __post_init__(self):
        X = np.asarray(self.X, dtype=np.float32)
        ids = as_text(list(self.ids)).tolist()
        people = as_text(list(self.people)).tolist() or [None] * len(ids)
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "people", people)
        if X.ndim != 2 or not len(X) == len(self.ids) == len(people):
            raise InputError(
                f"{self.name}: X must be (n_samples, n_features) with an id and a person a row, "
                f"got {X.shape}, {len(self.ids)} ids and {len(people)} people."
            )
        object.__setattr__(self, "info", replace(self.info, dimension=X.shape[1]))

    @property
    def n_rows(self) -> int:
        """Number of templates."""
        return len(self.ids)

    def batches(self, batch_rows: Any = BATCH_ROWS) -> Iterator[Any]:
        """Yield the same templates, at most ``batch_rows`` at a time."""
        for start in range(0, len(self.ids), batch_rows):
            part = slice(start, start + batch_rows)
            ids, people = self.ids[part], self.people[part]
            yield ProtectedTemplates(self.X[part], self.info, ids, people, self.name)


class TableTemplates:
    """The templates of a face table, read when asked for.

    Parameters
    ----------
    table : FaceTable, str or Path
        ``image_id`` names a template, ``identity`` (optional) the person.
    """

    def __init__(self, table: FaceTable | Path) -> None:
        self.table = table if isinstance(table, FaceTable) else FaceTable(table)
        self.table.require("embedding")
        self.info = self.table.info
        self.name = str(self.table.path)
        self.n_rows = self.table.n_rows

    def batches(self, batch_rows: Any = BATCH_ROWS) -> Iterator[Any]:
        """Yield :class:`ProtectedTemplates`, at most ``batch_rows`` rows; a missing one is NaN."""
        known = "identity" in self.table.columns
        columns = ["image_id", "embedding"] + (["identity"] if known else [])
        for batch in self.table.batches(columns, batch_rows=batch_rows):
            people = batch.column("identity").to_pylist() if known else []
            X = _rows(batch.column("embedding"), self.info.dimension)
            ids = batch.column("image_id").to_pylist()
            yield ProtectedTemplates(X, self.info, ids, people, self.name)


def as_templates(source: Path) -> Any:
    """Return templates from :class:`ProtectedTemplates`, a face table or the path of one."""
    return source if isinstance(source, ProtectedTemplates) else TableTemplates(source)


def _rows(column, dimension):
    X = np.full((len(column), dimension), np.nan, dtype=np.float32)
    full = pc.fill_null(pc.equal(pc.list_value_length(column), dimension), False)
    values = column.filter(full).flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        X[full.to_numpy(zero_copy_only=False)] = values.reshape(-1, dimension)
    return X


def faults(X: NDArray[Any], metric: str) -> Any:
    """Return for each row why it cannot be compared, or None.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    metric : str
        See :mod:`sfumato.metrics.comparators`.
    """
    found = np.full(len(X), None, dtype=object)
    if metric == "agreement":
        with np.errstate(invalid="ignore"):
            strange = ((X < 0) | (X > MAX_CATEGORY) | (np.round(X) != X)).any(axis=1)
        found[strange] = "an entry is no category from 0 to 255"
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            norm = np.linalg.norm(X, axis=1)
        found[norm == 0] = "a template of zeros"
        found[np.isinf(norm)] = "too long for float32"
    found[~np.isfinite(X).all(axis=1)] = "missing, NaN or infinite"
    return found


def check_protected(info: Any, name: str) -> None:
    """Refuse templates that no eraser, or no named encoder, has made.

    Raises
    ------
    InputError
        In one line that names the table and the remedy.
    """
    if not info.transformations:
        raise InputError(
            f"{name}: raw templates of [{info.space}]; a gallery stores protected ones, run "
            "sfumato protect first."
        )
    if info.encoder is None:
        raise InputError(
            f"{name}: the encoder of the templates is unknown; a gallery holds those of one "
            "encoder, name it when you import them (--encoder)."
        )


def check_fits(info: Any, expected: Any, name: str) -> None:
    """Refuse templates of another space than a gallery's, saying which was expected and given."""
    check_protected(info, name)
    for what, told in _TOLD.items():
        wanted, given = told(expected), told(info)
        if given != wanted:
            raise InputError(
                f"{name}: {what} {given}, but this gallery holds templates of {what} {wanted}; "
                "make a gallery of its own for them."
            )


def _erasers(info):
    return " + ".join(f"{step['method']}:{step['fingerprint']}" for step in info.transformations)


_TOLD = {
    "encoder": lambda info: f"{info.encoder} {info.encoder_version}",
    "eraser": _erasers,
    "dimension": lambda info: str(info.dimension),
    "metric": lambda info: info.metric,
}
