"""What a job is, and what jobs over photos share.

A job is plain and picklable; ``prepare`` gets it ready in the process that does parts. Each job
has a module of its own, as every worker imports its job's, and scikit-learn, which erasers and
readers need, takes longer than a hundred photos.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sfumato.data.files import full_name
from sfumato.data.info import TableInfo
from sfumato.faces.folders import Unread
from sfumato.jobs.local import Died, Process
from sfumato.jobs.parts import Part, PartReader, photo_parts
from sfumato.outcomes import Reject

CRASHED = Reject("the reading process crashed on this photo")
#: Photos that are read at once.
TASK = 16


class Job(Protocol):
    """Rows in, rows and rejects out, a part at a time.

    Attributes
    ----------
    settings : dict
        Plain values that decide the result, for the manifest.
    schema : pyarrow.Schema
    info : TableInfo
    counts : tuple of str
        Columns whose sums go into the summary.
    inputs : tuple of (str or Path)
        What is read, and so may not be replaced.
    part_rows : int
        Rows or photos of a part, unless asked otherwise.
    keeps_parts : bool
        Whether a part is work enough to be kept while one table is made.
    what : str
        What is counted, in the plural.
    unread : Unread
        What of the source is no photo, or was not looked at.
    """

    settings: dict[str, Any]
    schema: pa.Schema
    info: TableInfo
    counts: tuple[str, ...]
    inputs: tuple[str | Path, ...]
    part_rows: int
    keeps_parts: bool
    what: str
    unread: Unread

    def parts(self, part_rows: int) -> list[Part]:
        """Return the parts."""

    def prepare(self, *, isolate: bool = False) -> None:
        """Get ready in this process; with ``isolate`` nothing may crash it."""

    def rows(self, part: Part) -> Iterable[tuple[pa.RecordBatch, list[dict]]]:
        """Yield the rows of a part; rejects have ``image_id``, ``path`` and ``reason``."""


class PhotoJob:
    """Photos in parts, a callable of one photo, and rows of what it gives.

    Parameters
    ----------
    source : FileSource or TableSource
    do : callable
        Of one photo; returns a :class:`~sfumato.outcomes.Reject` or what there is to say of the
        photo; picklable.
    """

    counts: tuple[str, ...] = ()
    part_rows, keeps_parts, what = 256, True, "photos"

    def __init__(self, source: Any, do: Any) -> None:
        self.source, self.do = source, do
        self.inputs, self.unread = (source.path,), source.unread
        self._isolate = False
        self._reader: Any = None

    def parts(self, part_rows: Any) -> Any:
        """Return the parts."""
        return photo_parts(self.source, part_rows)

    def prepare(self, *, isolate: bool = False) -> None:
        """Get ready; with ``isolate`` a photo that crashes its process is a reject."""
        self._isolate = isolate

    def batch(self, task: Any, outcomes: Any) -> Any:
        """Return the rows of some photos, a RecordBatch."""
        raise NotImplementedError

    def rows(self, part: Any) -> Iterator[Any]:
        """Yield the rows of a part, and its rejects."""
        for task, outcomes in self.outcomes(part):
            yield self.batch(task, outcomes), rejects_of(task, outcomes)

    def outcomes(self, part: Any) -> Iterator[tuple[Any, list]]:
        """Yield some photos of a part, and what came of each, after the others."""
        if self._reader is None:
            self._reader = PartReader(self.source, min(TASK, self.part_rows))
        tasks = self._reader.batches(part)
        if not self._isolate:
            for task in tasks:
                yield task, [self.do(photo) for photo in task.photos]
            return
        with Process(self.do) as process:
            for task in tasks:
                yield task, [_alone(process, photo) for photo in task.photos]


def _alone(process, photo):
    """Return one photo's outcome, which is a Reject if it kills the process."""
    try:
        return process.result(photo)
    except Died:
        return CRASHED


def rejects_of(task: Any, outcomes: Any) -> list[Any]:
    """Return the rows of the photos whose outcome is a Reject."""
    return [
        {"image_id": name, "path": path, "reason": outcome.reason}
        for name, path, outcome in zip(task.ids, task.paths, outcomes, strict=True)
        if isinstance(outcome, Reject)
    ]


def settings_of(photos: Any, **models: Any) -> dict[str, Any]:
    """Return what decides a job's result, as plain values for its manifest.

    Parameters
    ----------
    photos : FileSource or TableSource
    **models
        Detector, encoder: each has a name, a version and, if it likes, parameters.
    """
    plain = {
        key: [model.name, model.version, getattr(model, "parameters", {})]
        for key, model in models.items()
    }
    return {"source": full_name(photos.path), "content": photos.fingerprint(), **plain}
