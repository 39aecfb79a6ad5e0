"""Describe the faces of photos: what anybody with a reader can tell of them."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sfumato.errors import InputError
from sfumato.faces.crops import Cropper
from sfumato.faces.detect import BOX, PAD, make_detector, plain_box
from sfumato.faces.encoders import make_encoder
from sfumato.faces.folders import Unread
from sfumato.faces.photos import MAX_PIXELS
from sfumato.faces.sources import open_source
from sfumato.faces.workers import FaceEmbedder, embed_in_order, n_cores
from sfumato.outcomes import Reject
from sfumato.readers.files import shipped_reader
from sfumato.readers.tasks import AgeTask

LAWFUL = (
    "To show what faces give away. Do not sort people by sensitive traits "
    "(EU AI Act, Art. 5), nor decide about anyone by these guesses."
)
TASK = 16


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

    def to_dict(self):
        """Return the JSON form."""
        return {
            "note": LAWFUL,
            "faces": self.faces,
            "rejects": self.rejects,
            "unread": self.unread.to_dict(),
            "reader": {k: v for k, v in self.reader.items() if k != "measured"},
        }


class Located:
    """An encoder, or a cropper, whose embeddings go with the face's box and score."""

    def __init__(self, encoder):
        self.input = encoder

    def encode(self, image, face):
        """Return the embedding or the pixels, the box and the score in one row of float64."""
        return np.concatenate([self.input.encode(image, face).ravel(), face.box, [face.score]])


def describe(
    source,
    *,
    reader=None,
    detector="dlib",
    encoder="dlib",
    largest=False,
    max_pixels=MAX_PIXELS,
    pad=PAD,
    workers=None,
    progress=None,
):
    """Read age, gender, ethnicity, smile and more off every face.

    Parameters
    ----------
    source : str or Path
        A photo, a folder, a text file of paths, or a face table with images.
    reader : TemplateReader or PixelReader, optional
        Default: the shipped one of the encoder. One of pixels needs no encoder.
    detector, encoder, max_pixels, pad, workers, progress
        As for :func:`sfumato.faces.embed.embed`.
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
    photos = open_source(source)
    reader = reader or shipped_reader(encoder)
    detector = make_detector(detector, pad=pad) if isinstance(detector, str) else detector
    embedder = FaceEmbedder(
        detector, Located(input_of(reader, encoder)), all_faces=not largest, max_pixels=max_pixels
    )
    n_workers = min(workers or n_cores(), -(-photos.n_photos // TASK))
    found = Description(reader=reader.about, unread=photos.unread)
    n_done = 0
    for task, outcomes in embed_in_order(embedder, photos.batches(TASK), n_workers=n_workers):
        named = list(zip(task.ids, outcomes, strict=True))
        found.rejects.extend(
            {"image_id": name, "reason": rows.reason}
            for name, rows in named
            if isinstance(rows, Reject)
        )
        good = [(name, rows) for name, rows in named if not isinstance(rows, Reject)]
        found.faces.extend(faces_of(good, reader))
        n_done += len(outcomes)
        if progress is not None:
            progress(n_done, photos.n_photos)
    return found


def input_of(reader, encoder):
    """Return what makes the reader's input of a face: an encoder, or a cropper."""
    if reader.kind == "pixels":
        return Cropper(**reader.crops)
    encoder = make_encoder(encoder) if isinstance(encoder, str) else encoder
    space = f"{encoder.name} / {encoder.version} / {encoder.dimension}-d"
    wanted = reader.about.get("encoder", space)
    if wanted != space:
        raise InputError(f"the reader reads [{wanted}], not [{space}]; give another.")
    return encoder


def faces_of(photos, reader):
    """Return the JSON form of the faces of some photos, read at once.

    Parameters
    ----------
    photos : list of (str, ndarray)
        Ids, and what :class:`Located` gives of a photo's faces.
    reader : TemplateReader or PixelReader

    Returns
    -------
    list of dict
        As in :class:`Description`.
    """
    if not photos:
        return []
    rows = np.concatenate([rows for _, rows in photos])
    places = [(name, number) for name, rows in photos for number in range(len(rows))]
    X, boxes, scores = rows[:, :-5], rows[:, -5:-1], rows[:, -1]
    if reader.kind == "pixels":
        size = reader.crops["size"]
        X = X.reshape(-1, size, size, 3).astype(np.uint8)
    else:
        X = X.astype(np.float32)
    readings = {attribute: plain_reading(found) for attribute, found in reader.read(X).items()}
    return [
        {
            "image_id": name,
            "face": number,
            "box": plain_box(boxes[row]),
            "score": round(float(scores[row]), 4),
            **{attribute: values[row] for attribute, values in readings.items()},
        }
        for row, (name, number) in enumerate(places)
    ]


def plain_reading(reading):
    """Return a reading's JSON form, one dict a face, as in :class:`Description`."""
    if isinstance(reading.task, AgeTask):
        low, high = reading.interval(0.9)
        return [
            {"years": int(age), "low": int(a), "high": int(b)}
            for age, a, b in zip(reading.label, low, high, strict=True)
        ]
    return [
        {"label": str(label), "probability": round(float(p), 4)}
        for label, p in zip(reading.label, reading.confidence, strict=True)
    ]


def to_rows(description):
    """Return the faces as flat dicts, for a table or CSV: ``gender``, ``gender_probability``, ...

    An age gives ``age_years``, ``age_years_low`` and ``age_years_high``.
    """
    return [flat_face(face) for face in description.faces]


def row_schema(reader):
    """Return the Arrow schema of a reader's rows, but for the face's number."""
    fields = [("image_id", pa.string()), *((name, pa.float32()) for name in (*BOX, "score"))]
    for task in reader.tasks if reader.kind == "pixels" else reader.tasks_:
        if isinstance(task, AgeTask):
            fields += [(f"{task.name}{end}", pa.int32()) for end in ("", "_low", "_high")]
        else:
            fields += [(task.name, pa.string()), (f"{task.name}_probability", pa.float32())]
    return pa.schema(fields)


def flat_face(face):
    """Return a face's row for a table."""
    row: dict = {}
    for name, value in face.items():
        if name == "box":
            row |= value
        elif isinstance(value, dict):
            main, *others = value
            row[name] = value[main]
            row |= {f"{name}_{other}": value[other] for other in others}
        else:
            row[name] = value
    return row
