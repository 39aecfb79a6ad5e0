"""What a face table becomes, protected by an eraser; whether its people look like the fitted."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from sfumato.data.columns import embedding_array, embedding_matrix, faulty_rows
from sfumato.data.info import by_direction
from sfumato.data.rows import OneRow, unit_rows
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.models.saved_model import SavedModel

#: Rows of unit length that are this close are one row, rounded.
SAME = 1e-6
FEW_ROWS = 512
#: Of one person in a table without identities, at most as a rule.
PHOTOS = 5
#: People that are compared with the fitted ones, at most, and at least; from so many row groups.
MAX_COMPARED, MIN_COMPARED, N_GROUPS, READ_ROWS = 2048, 20, 4, 8192


class Protection:
    """What a face table becomes, protected by a model: its columns, and rows of them.

    Parameters
    ----------
    model : SavedModel
    table : FaceTable
        Its embeddings must be of the space that the model was fitted on.

    Attributes
    ----------
    columns : list of str
        Carried over: all but the embedding, photos and the erased labels.
    schema : pyarrow.Schema
    info : TableInfo
        Its last transformation has ``unlike`` where that is not None.
    unlike : dict or None
        See :func:`compare_people`.
    """

    def __init__(self, model: SavedModel, table: FaceTable) -> None:
        table.require("embedding")
        model.check(table.info, table.path)
        self.eraser, self._changes = model.eraser, False
        # A photo or the label itself beside a protected template would undo it.
        undoing = ("embedding", "image", *model.attributes)
        self.columns = [name for name in table.columns if name not in undoing]
        first = embedding_array(self.eraser.transform(np.ones((1, table.info.dimension), "f4")))
        fields = [table.schema.field(name) for name in self.columns]
        self.schema = pa.schema([*fields, pa.field("embedding", first.type)])
        self.unlike = compare_people(model, table)
        self.info = table.info.transformed(
            model.step | ({"unlike": self.unlike} if self.unlike else {}),
            dimension=first.type.list_size,
            normalisation="l2" if self.eraser.unit_length else "none",
            metric=self.eraser.metric,
        )
        self._transform = CheckedTransform(model, table.path, table.info.metric)

    def rows(self, batch: Any, X: ArrayLike) -> Any:
        """Return the protected rows of a record batch whose embeddings are ``X``."""
        if not batch.num_rows:  # All of them were rejects.
            return pa.RecordBatch.from_pylist([], schema=self.schema)
        arrays = [batch.column(name) for name in self.columns]
        protected = embedding_array(self._transform(X))
        return pa.RecordBatch.from_arrays([*arrays, protected], schema=self.schema)

    def check_distinct(self) -> None:
        """Refuse the rows so far as :meth:`CheckedTransform.check_distinct` does."""
        self._transform.check_distinct()


class CheckedTransform:
    """An eraser's transform, batch by batch, that gives nothing which is not protected.

    Parameters
    ----------
    model : SavedModel
    source : str or Path
        Where the embeddings are from, for messages.
    metric : str
        By which they are compared.
    """

    def __init__(self, model: SavedModel, source: Any, metric: str) -> None:
        self._eraser, self._name = model.eraser, model.step["method"]
        self._source, self._changes = source, False
        self._raw = OneRow(by_direction=by_direction(metric))
        self._protected = OneRow(by_direction=by_direction(model.eraser.metric or metric))

    def __call__(self, X: ArrayLike) -> NDArray[Any]:
        """Return protected rows.

        Raises
        ------
        InputError
            For rows that are not finite, and where all so far point where they did before.
        """
        X = np.asarray(X)
        protected = self._eraser.transform(X)
        self._check(X, protected)
        return protected

    def _check(self, X, protected):
        name = self._name
        flat = protected.ravel()
        with np.errstate(over="ignore", invalid="ignore"):
            # Infinite where a term is, and where finite ones are too large to be added up.
            suspect = not np.isfinite(flat @ flat)
        if suspect and not (finite := np.isfinite(protected).all(axis=1)).all():
            row = int(np.flatnonzero(~finite)[0])
            raise InputError(
                f"{name} gives a NaN or infinite value (row {row} of a batch); the embeddings are "
                "out of range, or the model is broken."
            )
        self._changes = self._changes or refuse_unchanged(name, X, protected)
        self._raw.add(X)
        self._protected.add(protected)

    def check_distinct(self) -> None:
        """Refuse the rows so far if all of them, 20 or more, are one.

        Raises
        ------
        InputError
            If nobody can be recognised by them.
        """
        if self._raw.found:
            raise InputError(
                f"{self._source}: all {self._raw.n_rows:,} embeddings are one, so nobody can be "
                "recognised; embed the photos again."
            )
        if self._protected.found:
            raise InputError(
                f"{self._name} makes all {self._protected.n_rows:,} embeddings of {self._source} "
                "one, so nobody can be recognised; they are too small, or the model is broken."
            )


def compare_people(model: SavedModel, table: FaceTable) -> dict[str, Any] | None:
    """Say by how much a table's people differ from the fitted ones; None if they do not.

    Parameters
    ----------
    model : SavedModel
    table : FaceTable
        Some 2,000 rows from all over four row groups are compared; of each person the first.
        Without identities, rows that look like one person count as one, and the limit is that of
        a fifth of the rows: many photos of one person do not look alike.

    Returns
    -------
    dict or None
        ``n_people``, ``distance`` and ``limit``, that of people like the fitted ones, see
        :mod:`sfumato.models.likeness`. None too for fewer than 20 people, and for a model that
        does not store the moments of the templates it was fitted on.
    """
    if model.likeness is None:
        return None
    X = _some_people(table)
    named = "identity" in table.columns
    if not named:
        X = X[model.likeness.one_each(X)]
    if len(X) < MIN_COMPARED:
        return None
    distance, limit = (
        model.likeness.distance(X),
        model.likeness.limit(len(X) if named else -(-len(X) // PHOTOS)),
    )
    if distance <= limit:
        return None
    return {"n_people": len(X), "distance": round(distance, 3), "limit": round(limit, 3)}


def _some_people(table):
    """Return embeddings of people from all over some row groups, one row each."""
    found = [group for group in table.row_groups() if group[2]]
    chosen = found[:: -(-len(found) // N_GROUPS)] if found else []
    step = max(1, sum(group[2] for group in chosen) // MAX_COMPARED)
    columns, parts = ["embedding"], [np.empty((0, table.info.dimension), np.float32)]
    columns += ["identity"] if "identity" in table.columns else []
    seen: set[Any] = set()
    groups = [group[:2] for group in chosen]
    for batch in table.batches(columns, batch_rows=READ_ROWS, groups=groups) if groups else ():
        batch = batch.take(pa.array(np.arange(0, batch.num_rows, step)))
        rows = _good_rows(batch.column("embedding"), table)
        if "identity" in columns:
            names = batch.column("identity").to_pylist()
            first = {names[row]: row for row in reversed(rows) if names[row] not in seen}
            seen |= set(first)
            rows = sorted(first.values())
        column = batch.column("embedding").take(pa.array(rows, pa.int64()))
        X = embedding_matrix(column, table.info.dimension)
        parts.append(X[X.any(axis=1)])
    return np.concatenate(parts)


def _good_rows(column, table):
    try:
        embedding_matrix(column, table.info.dimension)
    except InputError:  # Rejects of the job, which says why.
        bad = faulty_rows(column, table.info.dimension, table.path)
        return [row for row in range(len(column)) if row not in bad]
    return list(range(len(column)))


def refuse_unchanged(name: str, X: NDArray[Any], protected: NDArray[Any]) -> bool:
    """Refuse protected rows that all point where the raw ones do; return if any row could tell.

    Parameters
    ----------
    name : str
        The method's, for the message.
    X : ndarray of shape (n_samples, n_features)
    protected : ndarray of shape (n_samples, n_features_out)

    Raises
    ------
    InputError
        If so.
    """
    known = np.flatnonzero(X.any(axis=1))
    if not len(known):
        return False
    # As a rule a few rows say it.
    few = known[:FEW_ROWS]
    if X.shape == protected.shape and all(_unchanged(X, protected, r) for r in (few, known)):
        raise InputError(
            f"{name} erases nothing: every protected row is the raw one; fit a new "
            "model, or export it again."
        )
    return True


def _unchanged(X, protected, rows):
    before, after = unit_rows(X[rows].astype(np.float64)), unit_rows(protected[rows])
    return np.linalg.norm(before - after, axis=1).max() <= SAME
