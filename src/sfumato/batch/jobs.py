"""What a batch job does to a part of photos; here: embed them.

A job is plain and picklable; ``prepare`` gets it ready in the process that will ``run`` parts.
The other jobs have modules of their own, as every worker imports its job's, and scikit-learn,
which erasers and readers need, takes longer than a hundred photos.
"""

import contextlib
from dataclasses import dataclass, field
from typing import Any

from sfumato.batch.parts import part_batches, photo_parts
from sfumato.faces.embed import Layout, info_of, settings_of
from sfumato.faces.workers import FaceEmbedder, WorkerPool, embed_in_order, limit_threads
from sfumato.outcomes import Reject

TASK = 16


@dataclass
class PhotoJob:
    """What photo jobs share: photos in parts, a callable of one photo, rows of what it gives.

    Parameters
    ----------
    source : FileSource or TableSource
    embedder : FaceEmbedder
        Or another callable of one photo; picklable.

    Attributes
    ----------
    counts : tuple of str
        Columns whose sums go into the summary.
    """

    counts: tuple[str, ...] = field(default=(), init=False)
    source: Any
    embedder: Any
    _isolate: bool = field(default=False, init=False, repr=False)

    @property
    def unread(self):
        """What of the source is no photo, or was not looked at."""
        return self.source.unread

    def parts(self, part_rows):
        """Return the parts."""
        return photo_parts(self.source, part_rows)

    def prepare(self, *, isolate=False):
        """Get ready; with ``isolate`` a photo that crashes its process is a reject."""
        limit_threads()
        self._isolate = isolate

    def rows(self, task, outcomes):
        """Return a task's rows, a RecordBatch, and its rejects, dicts."""
        raise NotImplementedError

    def run(self, part):
        """Yield the rows of a part, and its rejects."""
        tasks = part_batches(self.source, part, TASK)
        with contextlib.ExitStack() as stack:
            pool = None
            if self._isolate:
                # Of this part alone: a process with a process of its own could not end.
                pool = stack.enter_context(contextlib.closing(WorkerPool(self.embedder, 1)))
            for task, outcomes in embed_in_order(self.embedder, tasks, pool=pool):
                yield self.rows(task, outcomes)


class EmbedJob(PhotoJob):
    """Photos to templates.

    Parameters
    ----------
    source : FileSource or TableSource
    detector, encoder
    all_faces, max_pixels
        As for :func:`sfumato.faces.embed.embed`.
    """

    def __init__(self, source, detector, encoder, *, all_faces, max_pixels):
        options = {"all_faces": all_faces, "max_pixels": max_pixels}
        super().__init__(source, FaceEmbedder(detector, encoder, **options))
        self._layout = Layout(source.schema, encoder.dimension, all_faces, keep_images=False)
        self.schema, self.info = self._layout.schema, info_of(source, encoder)
        self.settings = {
            "job": "embed",
            **settings_of(source, detector=detector, encoder=encoder),
            **options,
        }

    def rows(self, task, outcomes):
        """Return a task's templates and rejects."""
        good, bad = self._layout.rows(task, outcomes)
        return good, bad.to_pylist()


def rejects_of(task, outcomes):
    """Return the rejects of a task: the photos whose outcome is one."""
    return [
        {"image_id": name, "path": path, "reason": outcome.reason}
        for name, path, outcome in zip(task.ids, task.paths, outcomes, strict=True)
        if isinstance(outcome, Reject)
    ]
