"""Photos to a face table of embeddings: on all cores, in order, resumable."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sfumato.data.info import TableInfo
from sfumato.data.tables import IMAGE, embedding_array
from sfumato.faces.detect import PAD
from sfumato.faces.detectors import make_detector
from sfumato.faces.embedder import FaceEmbedder
from sfumato.faces.encoders import make_encoder
from sfumato.faces.folders import Unread
from sfumato.faces.photos import MAX_PIXELS
from sfumato.faces.sources import open_source
from sfumato.jobs.base import PhotoJob, settings_of
from sfumato.jobs.run import run_job
from sfumato.outcomes import Progress, Reject


@dataclass(frozen=True)
class EmbedSummary:
    """What a run did; ``rejects_path`` is None and ``reasons`` empty without rejects.

    ``unread`` says what of the source is no photo, or was not looked at; ``damaged`` which kept
    parts were not what the job wrote, and were done again.
    """

    n_photos: int
    n_templates: int
    n_rejects: int
    output: str
    rejects_path: str | None
    seconds: float
    reasons: dict[str, int] = field(default_factory=dict)
    unread: Unread = field(default_factory=Unread)
    damaged: list[dict[str, str]] = field(default_factory=list)


class Embed(PhotoJob):
    """Photos to templates.

    Parameters
    ----------
    source : FileSource or TableSource
    detector, encoder
    all_faces, max_pixels, keep_images, describe
        As for :func:`embed`.
    """

    def __init__(
        self,
        source: Any,
        detector: Any,
        encoder: Any,
        *,
        all_faces: bool = False,
        max_pixels: Any = MAX_PIXELS,
        keep_images: bool = False,
        describe: bool = False,
    ) -> None:
        options = {"all_faces": all_faces, "max_pixels": max_pixels}
        self._read: Any = None
        made = encoder
        if describe:
            from sfumato.readers.read_columns import ReadColumns  # It takes scikit-learn.

            self._read = ReadColumns(encoder)
            self._read.check(source)
            made = self._read.encoder
        super().__init__(source, FaceEmbedder(detector, made, **options))
        self._all_faces, self._keep_images = all_faces, keep_images
        self._dimension = encoder.dimension
        fields = [pa.field("image_id", pa.string()), *source.schema]
        if keep_images:
            fields.append(pa.field("image", IMAGE))
        if self._read is not None:
            fields += self._read.fields
        fields.append(pa.field("embedding", pa.list_(pa.float32(), encoder.dimension)))
        self.schema = pa.schema(fields)
        self.info = TableInfo(
            source=source.name,
            encoder=encoder.name,
            encoder_version=encoder.version,
            dimension=encoder.dimension,
            metric=encoder.metric,
            normalisation=encoder.normalisation,
        )
        self.settings = {
            "job": "embed",
            **settings_of(source, detector=detector, encoder=encoder),
            "columns": self.schema.names,
            **options,
        }
        if self._read is not None:
            self.settings["reader_sha256"] = self._read.reader.sha256

    def batch(self, task: Any, outcomes: Any) -> Any:
        """Return the templates of some photos."""
        good = [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, Reject)]
        at = [i for i in good for _ in outcomes[i]]
        ids = [name for i in good for name in self._names(task.ids[i], len(outcomes[i]))]
        arrays = [pa.array(ids, pa.string()), *task.labels.take(pa.array(at, pa.int64()))]
        if self._keep_images:
            images = [{"bytes": _content(task.photos[i]), "path": task.paths[i]} for i in at]
            arrays.append(pa.array(images, IMAGE))
        rows = [outcomes[i] for i in good]
        X = np.concatenate(rows) if rows else np.empty((0, self._dimension), np.float32)
        if self._read is not None:
            X, read = self._read.split(X)
            arrays += read
        arrays.append(embedding_array(X))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _names(self, name, n_faces):
        return [f"{name}#{i}" for i in range(n_faces)] if self._all_faces else [name]


def embed(
    source: str | Path,
    output: str | Path,
    *,
    detector: Any = "dlib",
    encoder: Any = "dlib",
    all_faces: bool = False,
    max_pixels: int = MAX_PIXELS,
    pad: float = PAD,
    identity: str | None = None,
    keep_images: bool = False,
    describe: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    part_rows: int | None = None,
    runner: Any = None,
) -> EmbedSummary:
    """Detect, align and encode the faces of many photos into a face table.

    A run that was cut off is gone on with by the same call, and gives the same table: the parts
    of one table lie in ``<output>.parts`` until it is whole. Photos without a face, broken, or
    too large are listed with their reasons in ``<output stem>.rejects.parquet``, which exists
    only if there are any, or in the folder's ``_rejects``.

    Parameters
    ----------
    source : str or Path
        A folder, a text file of paths, or a face table with images, whose identities and
        labels are carried over (:func:`sfumato.faces.sources.open_source`).
    output : str or Path
        The table to write, ``.parquet``, or a folder to fill with its parts: one that exists,
        ends in ``/``, or has no such ending.
    detector : str or Detector, default="dlib"
        ``"dlib"``, ``"dlib-68"``, ``"mtcnn"``, ``"yunet:PATH"`` or a picklable object.
    encoder : str or Encoder, default="dlib"
        ``"dlib"``, ``"arcface-onnx:PATH"`` or a picklable object.
    all_faces : bool, default=False
        One row a face, ids ending in ``#0``, ``#1``, ... from the largest; else one row a
        photo, of its largest face.
    max_pixels : int, default=100_000_000
        Larger photos are rejected before they are decoded.
    pad : float in [0, 1], default=0.15
        Black border for detection, as a share of the longer side, so that faces which fill
        the photo are found; only for detectors named by a string.
    identity : {None, "folder"}, default=None
        Take a file's parent folder as the person.
    keep_images : bool, default=False
        Keep each photo's bytes in the column ``image``.
    describe : bool, default=False
        Write what a bundled reader reads of each face as columns ``gender_read``,
        ``gender_read_probability``, ``age_years_read``, ..., see
        :class:`~sfumato.readers.read_columns.ReadColumns`.
    workers : int, optional
        Processes, by default one a core; 1 works in this process. A photo that crashes a
        worker process is rejected; in this process nothing protects against a crash.
    overwrite : bool, default=False
        Replace an existing table and its rejects, and parts of an unfinished run with other
        settings.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``, part by part.
    part_rows : int, default=256
        Photos of a part, fewer towards the end.
    runner : Local or OnRay, optional
        Instead of ``workers``, see :func:`sfumato.jobs.run.make_runner`.

    Returns
    -------
    EmbedSummary

    Raises
    ------
    InputError
        For a missing or empty source, an existing output, an unknown detector or encoder,
        an unfinished run with other settings, or one of another process that goes on.
    """
    photos = open_source(source, identity=identity)
    job = Embed(
        photos,
        make_detector(detector, pad=pad) if isinstance(detector, str) else detector,
        make_encoder(encoder) if isinstance(encoder, str) else encoder,
        all_faces=all_faces,
        max_pixels=max_pixels,
        keep_images=keep_images,
        describe=describe,
    )
    summary = run_job(
        job,
        output,
        part_rows=part_rows,
        workers=workers,
        runner=runner,
        overwrite=overwrite,
        progress=progress,
    )
    return EmbedSummary(
        n_photos=photos.n_photos,
        n_templates=summary["n_rows"],
        n_rejects=summary["n_rejects"],
        output=summary["output"],
        rejects_path=summary["rejects_path"],
        seconds=summary["seconds"],
        reasons=summary["reasons"],
        unread=photos.unread,
        damaged=summary["damaged"],
    )


def _content(photo):
    return photo if isinstance(photo, bytes) else Path(photo).read_bytes()
