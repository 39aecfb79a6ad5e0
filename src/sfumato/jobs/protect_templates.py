"""Protect the templates of a face table by an eraser, batch by batch."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sfumato.data.columns import embedding_matrix, faulty_rows
from sfumato.data.files import full_name
from sfumato.data.info import by_direction
from sfumato.data.opening import open_table
from sfumato.data.rows import NO_DIRECTION, zero_rows
from sfumato.data.tables import ROW_GROUP, FaceTable
from sfumato.errors import InputError
from sfumato.faces.folders import Unread
from sfumato.jobs.parts import table_parts
from sfumato.jobs.run import run_job
from sfumato.models.files import load
from sfumato.models.protection import Protection
from sfumato.models.saved_model import SavedModel
from sfumato.outcomes import Progress

#: Of the templates worked on at once, which so stay in a core's cache from one step to the next.
WORK_BYTES = 1 << 21


class ProtectTemplates:
    """Protect the templates of a face table; rows without a good embedding are rejects.

    Parameters
    ----------
    model : SavedModel
    table : FaceTable
        Its embeddings must be of the space that the model was fitted on.

    Attributes
    ----------
    hints : list of str
        What should make one doubt the result.
    """

    counts: tuple[str, ...] = ()
    part_rows, keeps_parts, what = 4 * ROW_GROUP, False, "rows"

    def __init__(self, model: SavedModel, table: FaceTable) -> None:
        if not table.n_rows:
            raise InputError(f"{table.path}: has no rows, so there is nothing to protect.")
        self.model, self.table = model, table
        self._protection = Protection(model, table)
        self._by_direction = by_direction(table.info.metric)
        table.check_ids()
        self.schema, self.info = self._protection.schema, self._protection.info
        self.hints = [*table.hints, *(f"{table.path}: {said}" for said in self.info.unlike)]
        self.hints += model.doubts(table.info, table.path)
        self.inputs, self.unread = tuple(table.files), Unread()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides the result, as plain values; the whole table is read for it."""
        return {
            "job": "protect",
            "source": full_name(self.table.path),
            "content": self.table.fingerprint(),
            "model": self.model.fingerprint,
            "model_sha256": self.model.sha256,
        }

    def parts(self, part_rows: Any) -> Any:
        """Return the parts, whole row groups."""
        return table_parts(self.table, part_rows)

    def prepare(self, *, isolate: bool = False) -> None:
        """Do nothing: there is nothing to load, and nothing here crashes a process."""

    def rows(self, part: Any) -> Iterator[Any]:
        """Yield the rows of a part, and its rejects."""
        columns = [*self._protection.columns, "embedding"]
        n_rows = max(WORK_BYTES // (4 * (self.table.info.dimension or 1)), 1)
        for batch in self.table.batches(columns, batch_rows=n_rows, groups=part.groups):
            batch, X, bad = self._checked(batch)
            yield self._protection.rows(batch, X), bad
        self._protection.check_distinct()

    def _checked(self, batch):
        """Return the rows with good embeddings, these, and the rejects."""
        dimension, column = self.table.info.dimension, batch.column("embedding")
        try:
            X, faults = embedding_matrix(column, dimension), {}
        except InputError:
            faults = faulty_rows(column, dimension, self.table.path)
            X = np.ones((batch.num_rows, 1))
        if self._by_direction:
            faults |= dict.fromkeys(zero_rows(X).tolist(), NO_DIRECTION)
        if not faults:
            return batch, X, []
        ids = batch.column("image_id")
        bad = [
            {"image_id": ids[row].as_py(), "path": None, "reason": reason}
            for row, reason in sorted(faults.items())
        ]
        good = pa.array([row for row in range(batch.num_rows) if row not in faults], pa.int64())
        batch = batch.take(good)
        X = embedding_matrix(batch.column("embedding"), dimension)
        if self._by_direction and zero_rows(X).size:
            batch, X, more = self._checked(batch)
            bad += more
        return batch, X, bad


def protect_table(
    model: str | Path | SavedModel,
    table: str | Path | FaceTable,
    output: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    part_rows: int | None = None,
    runner: Any = None,
) -> dict[str, Any]:
    """Write a copy of a face table with protected embeddings, without photos and erased labels.

    An audit reads the labels from the raw table. Rows without a good embedding are left out and
    listed with the reasons in ``<output stem>.rejects.parquet``, or in the folder's ``_rejects``.

    Parameters
    ----------
    model : str, Path or SavedModel
    table : str, Path or FaceTable
        Read by batches; its embeddings must be of the space that the model was fitted on.
    output : str or Path
        A table, ``.parquet``, which appears only when complete; or a folder to fill with its
        parts, in which an interrupted run goes on: one that exists, ends in ``/``, or has no
        such ending.
    overwrite : bool, default=False
        Replace an existing output.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.
    workers : int, optional
        Processes that fill a folder, by default one a core; a table is written by this process.
    part_rows : int, default=262_144
        Rows of a part of a folder, rounded up to row groups.
    runner : Local or OnRay, optional
        Instead of ``workers``, see :func:`sfumato.jobs.run.make_runner`.

    Returns
    -------
    dict
        ``n_rows``, ``output``, ``fingerprint``, ``dimension``, ``n_rejects``, ``rejects_path``
        (None without) and ``reasons``, counts by reason; ``damaged`` as of
        :func:`~sfumato.jobs.run.run_job`; ``hints``: a sentence if nobody says that the eraser
        was fitted on embeddings of this encoder, and one if the people do not look like the
        fitted ones.
    """
    model = model if isinstance(model, SavedModel) else load(model, "eraser")
    table = open_table(table)
    job = ProtectTemplates(model, table)
    summary = run_job(
        job,
        output,
        part_rows=part_rows,
        workers=workers,
        runner=runner,
        overwrite=overwrite,
        progress=progress,
    )
    named = ("n_rows", "output", "n_rejects", "rejects_path", "reasons", "damaged")
    return {name: summary[name] for name in named} | {
        "fingerprint": model.fingerprint,
        "dimension": job.info.dimension,
        "hints": job.hints,
    }
