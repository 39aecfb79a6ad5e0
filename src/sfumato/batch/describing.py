"""The batch job that describes the faces of photos."""

import pyarrow as pa

from sfumato.batch.jobs import PhotoJob, rejects_of
from sfumato.data.info import TableInfo
from sfumato.faces.embed import settings_of
from sfumato.faces.workers import FaceEmbedder
from sfumato.outcomes import Reject
from sfumato.readers.describe import Located, faces_of, flat_face, input_of, row_schema


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
            **settings_of(source, detector=detector, encoder=located.input),
            "reader": [reader.kind, reader.about.get("trained_on")],
            "reader_sha256": reader.sha256,
            "largest": largest,
            "max_pixels": max_pixels,
        }

    def rows(self, task, outcomes):
        """Return a task's faces and rejects; ids end in ``#0``, ``#1``, ... from the largest."""
        named = zip(task.ids, outcomes, strict=True)
        good = [(name, rows) for name, rows in named if not isinstance(rows, Reject)]
        faces = [flat_face(face) for face in faces_of(good, self.reader)]
        for face in faces:
            face["image_id"] = f"{face['image_id']}#{face.pop('face')}"
        return pa.RecordBatch.from_pylist(faces, schema=self.schema), rejects_of(task, outcomes)
