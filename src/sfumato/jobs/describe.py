"""Describe the faces of photos: what anybody with a reader can tell of them."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from sfumato.data.info import TableInfo
from sfumato.faces.detect import PAD
from sfumato.faces.detectors import make_detector
from sfumato.faces.embedder import FaceEmbedder
from sfumato.faces.folders import Unread
from sfumato.faces.photos import MAX_PIXELS
from sfumato.faces.sources import open_source
from sfumato.jobs.base import PhotoJob, rejects_of, settings_of
from sfumato.jobs.local import local_runner
from sfumato.jobs.run import run_job
from sfumato.jobs.running import collect
from sfumato.outcomes import Progress, Reject
from sfumato.readers.describe import (
    LAWFUL,
    Located,
    faces_of,
    flat_face,
    input_of,
    row_schema,
)
from sfumato.readers.files import shipped_reader


@dataclass(frozen=True)
class Description:
    """What was found in some photos.

    Parameters
    ----------
    faces : list of dict
        One a face: ``image_id``, ``face`` (0 is the largest of its photo), ``box`` in pixels of
        the upright photo, ``score`` of the detector, and of each attribute a dict: ``label`` and
        ``probability``, or of an age ``years``, ``low`` and ``high``, between which it lies with
        90 %.
    rejects : list of dict
        ``image_id`` and ``reason`` of photos without a description.
    reader : dict
        What the reader was trained on, and how well it reads.
    unread : Unread
        What of the source is no photo, or was not looked at.
    """

    faces: list = field(default_factory=list)
    rejects: list = field(default_factory=list)
    reader: dict = field(default_factory=dict)
    unread: Unread = field(default_factory=Unread)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "note": LAWFUL,
            "faces": self.faces,
            "rejects": self.rejects,
            "unread": self.unread.to_dict(),
            "reader": {k: v for k, v in self.reader.items() if k != "measured"},
        }


class Describe(PhotoJob):
    """Photos to what the faces on them show.

    Parameters
    ----------
    source : FileSource or TableSource
    reader : TemplateReader or PixelReader
    detector, encoder
    largest, max_pixels
        As for :func:`describe`.
    """

    def __init__(
        self,
        source: Any,
        reader: Any,
        detector: Any,
        encoder: Any,
        *,
        largest: bool = False,
        max_pixels: Any = MAX_PIXELS,
    ) -> None:
        located = Located(input_of(reader, encoder))
        self.reader, self._detector, self._input = reader, detector, located.input
        self._options = {"largest": largest, "max_pixels": max_pixels}
        super().__init__(
            source,
            FaceEmbedder(detector, located, all_faces=not largest, max_pixels=max_pixels),
        )
        self.info = TableInfo(source=source.name)

    @cached_property
    def schema(self) -> Any:
        """Columns of the rows, one a face; ids end in ``#0``, ``#1``, ... from the largest."""
        return row_schema(self.reader)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides the result, as plain values."""
        return {
            "job": "describe",
            **settings_of(self.source, detector=self._detector, encoder=self._input),
            "reader": [self.reader.kind, self.reader.about.get("trained_on")],
            "reader_sha256": self.reader.sha256,
            **self._options,
        }

    def batch(self, task: Any, outcomes: Any) -> Any:
        """Return the faces of some photos."""
        rows = [flat_face(face) for face in self.faces(task, outcomes)]
        for row in rows:
            row["image_id"] = f"{row['image_id']}#{row.pop('face')}"
        return pa.RecordBatch.from_pylist(rows, schema=self.schema)

    def faces(self, task: Any, outcomes: Any) -> Any:
        """Return the faces of some photos, as in :class:`Description`."""
        named = zip(task.ids, outcomes, strict=True)
        good = [(name, rows) for name, rows in named if not isinstance(rows, Reject)]
        return faces_of(good, self.reader)

    def found(self, part: Any) -> tuple[Any, ...]:
        """Return the faces and the rejects of a part."""
        faces, rejects = [], []
        for task, outcomes in self.outcomes(part):
            faces += self.faces(task, outcomes)
            rejects += rejects_of(task, outcomes)
        return faces, rejects


def describe(
    source: str | Path,
    *,
    reader: Any = None,
    detector: str = "dlib",
    encoder: str = "dlib",
    largest: bool = False,
    max_pixels: Any = MAX_PIXELS,
    pad: Any = PAD,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Description:
    """Read age, gender, ethnicity, smile and more off every face.

    Parameters
    ----------
    source : str or Path
        A photo, a folder, a text file of paths, or a face table with images.
    reader : TemplateReader or PixelReader, optional
        Default: the shipped one of the encoder. One of pixels needs no encoder.
    detector, encoder, max_pixels, pad, workers, progress
        As for :func:`sfumato.jobs.embed.embed`.
    largest : bool, default=False
        Describe the largest face of each photo alone.

    Returns
    -------
    Description

    Raises
    ------
    InputError
        For a missing source, or a reader of another encoder's templates.
    """
    job = _job(source, reader, detector, encoder, pad, largest=largest, max_pixels=max_pixels)
    parts = job.parts(job.part_rows)
    found = Description(reader=job.reader.about, unread=job.unread)
    for faces, rejects in collect(
        job, job.found, parts, local_runner(workers, len(parts)), progress
    ):
        found.faces.extend(faces)
        found.rejects.extend(
            {"image_id": bad["image_id"], "reason": bad["reason"]} for bad in rejects
        )
    return found


def describe_table(
    source: str | Path,
    output: Any,
    *,
    reader: Any = None,
    detector: str = "dlib",
    encoder: str = "dlib",
    largest: bool = False,
    max_pixels: Any = MAX_PIXELS,
    pad: Any = PAD,
    workers: int | None = None,
    part_rows: Any = None,
    runner: Any = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write what :func:`describe` reads into a table, one row a face.

    Parameters
    ----------
    output, part_rows, runner, overwrite, progress
        As for :func:`sfumato.jobs.run.run_job`.
    source, reader, detector, encoder, largest, max_pixels, pad, workers
        As for :func:`describe`.

    Returns
    -------
    dict
        As :func:`sfumato.jobs.run.run_job` does.
    """
    job = _job(source, reader, detector, encoder, pad, largest=largest, max_pixels=max_pixels)
    return run_job(
        job,
        output,
        part_rows=part_rows,
        workers=workers,
        runner=runner,
        overwrite=overwrite,
        progress=progress,
    )


def _job(source, reader, detector, encoder, pad, **options):
    detector = make_detector(detector, pad=pad) if isinstance(detector, str) else detector
    reader = reader or shipped_reader(encoder)
    return Describe(open_source(source), reader, detector, encoder, **options)


def to_rows(description: Any) -> list[Any]:
    """Return the faces as flat dicts, for a table or CSV: ``gender``, ``gender_probability``, ...

    An age gives ``age_years``, ``age_years_low`` and ``age_years_high``.
    """
    return [flat_face(face) for face in description.faces]
