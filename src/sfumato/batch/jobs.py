"""What a batch job does to a part: protect templates, embed photos, describe the faces on them.

A job is plain and picklable; ``prepare`` loads its models in the process that will ``run`` parts.
"""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sfumato.batch.parts import part_batches, photo_parts, table_parts
from sfumato.data.columns import embedding_matrix, faulty_rows
from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.faces.embed import Layout, info_of, settings_of
from sfumato.faces.workers import FaceEmbedder, WorkerPool, embed_in_order, limit_threads
from sfumato.models.storage import SavedModel
from sfumato.models.tables import Protection
from sfumato.readers.describe import Located, faces_of, flat_face, input_of, row_schema

TASK = 16


@dataclass
class ProtectJob:
    """Protect the templates of a face table; rows without a good embedding are rejects.

    Parameters
    ----------
    model : SavedModel
    table : FaceTable
    """

    model: SavedModel
    table: FaceTable

    def __post_init__(self):
        self._protection = Protection(self.model, self.table)
        self.schema, self.info = self._protection.schema, self._protection.info

    @property
    def settings(self):
        """What decides the result, as plain values."""
        return {
            "job": "protect",
            "source": str(self.table.path.resolve()),
            "rows": self.table.fingerprint(),
            "model": self.model.fingerprint,
        }

    def parts(self, part_rows):
        """Return the parts."""
        return table_parts(self.table, part_rows)

    def prepare(self, *, isolate=False):
        """Nothing to load; nothing here crashes a process."""
        limit_threads()

    def run(self, part):
        """Yield the rows of a part, and its rejects."""
        columns = [*self._protection.columns, "embedding"]
        for batch in self.table.batches(columns, groups=part.groups):
            batch, X, bad = self._checked(batch)
            yield self._protection.rows(batch, X), bad

    def _checked(self, batch):
        """Return the rows with good embeddings, these, and the rejects."""
        dimension = self.table.info.dimension
        try:
            return batch, embedding_matrix(batch.column("embedding"), dimension), []
        except InputError:
            faults = faulty_rows(batch.column("embedding"), dimension, self.table.path)
        ids = batch.column("image_id")
        bad = [
            {"image_id": ids[row].as_py(), "path": None, "reason": reason}
            for row, reason in faults.items()
        ]
        good = pa.array([row for row in range(batch.num_rows) if row not in faults], pa.int64())
        batch = batch.take(good)
        return batch, embedding_matrix(batch.column("embedding"), dimension), bad


@dataclass
class PhotoJob:
    """What photo jobs share: photos in parts, a callable of one photo, rows of what it gives.

    Parameters
    ----------
    source : FileSource or TableSource
    embedder : FaceEmbedder
    """

    source: Any
    embedder: FaceEmbedder
    _pool: Any = field(default=None, init=False, repr=False)

    def parts(self, part_rows):
        """Return the parts."""
        return photo_parts(self.source, part_rows)

    def prepare(self, *, isolate=False):
        """Get ready; with ``isolate`` a photo that crashes its process is a reject."""
        limit_threads()
        self._pool = WorkerPool(self.embedder, 1) if isolate else None

    def rows(self, task, outcomes):
        """Return a task's rows, a RecordBatch, and its rejects, dicts."""
        raise NotImplementedError

    def run(self, part):
        """Yield the rows of a part, and its rejects."""
        tasks = part_batches(self.source, part, TASK)
        for task, outcomes in embed_in_order(self.embedder, tasks, pool=self._pool):
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
        self.settings = {"job": "embed", **settings_of(source, detector, encoder), **options}

    def rows(self, task, outcomes):
        """Return a task's templates and rejects."""
        good, bad = self._layout.rows(task, outcomes)
        return good, bad.to_pylist()


class DescribeJob(PhotoJob):
    """Photos to what the faces on them show.

    Parameters
    ----------
    source : FileSource or TableSource
    reader : TemplateReader or PixelReader
    detector, encoder
    largest, max_pixels
        As for :func:`sfumato.readers.describe.describe`.
    """

    def __init__(self, source, reader, detector, encoder, *, largest, max_pixels):
        located = Located(input_of(reader, encoder))
        embedder = FaceEmbedder(detector, located, all_faces=not largest, max_pixels=max_pixels)
        super().__init__(source, embedder)
        self.reader = reader
        self.schema, self.info = row_schema(reader), TableInfo(source=source.name)
        self.settings = {
            "job": "describe",
            **settings_of(source, detector, located.input),
            "reader": [reader.kind, reader.about.get("trained_on")],
            "largest": largest,
            "max_pixels": max_pixels,
        }

    def rows(self, task, outcomes):
        """Return a task's faces and rejects; ids end in ``#0``, ``#1``, ... from the largest."""
        named = list(zip(task.ids, task.paths, outcomes, strict=True))
        bad = [
            {"image_id": name, "path": path, "reason": said}
            for name, path, said in named
            if isinstance(said, str)
        ]
        good = [(name, rows) for name, _, rows in named if not isinstance(rows, str)]
        faces = [flat_face(face) for face in faces_of(good, self.reader)]
        for face in faces:
            face["image_id"] = f"{face['image_id']}#{face.pop('face')}"
        return pa.RecordBatch.from_pylist(faces, schema=self.schema), bad
