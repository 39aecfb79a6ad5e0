"""What readers say of located faces, as JSON and as rows of a table."""

from typing import Any

import numpy as np
import pyarrow as pa

from sfumato.errors import InputError
from sfumato.faces.crops import Cropper
from sfumato.faces.detect import BOX, plain_box
from sfumato.faces.encoders import make_encoder
from sfumato.readers.tasks import AgeTask

LAWFUL = (
    "To show what faces give away. Do not sort people by sensitive traits "
    "(EU AI Act, Art. 5), nor decide about anyone by these guesses."
)


class Located:
    """An encoder, or a cropper, whose embeddings go with the face's box and score."""

    def __init__(self, encoder: Any) -> None:
        self.input = encoder

    def encode(self, image: Any, face: Any) -> Any:
        """Return the embedding or the pixels, the box and the score in one row of float64."""
        return np.concatenate([self.input.encode(image, face).ravel(), face.box, [face.score]])


def input_of(reader: Any, encoder: Any) -> Any:
    """Return what makes the reader's input of a face: an encoder, or a cropper."""
    if reader.kind == "pixels":
        return Cropper(**reader.crops)
    encoder = make_encoder(encoder) if isinstance(encoder, str) else encoder
    space = f"{encoder.name} / {encoder.version} / {encoder.dimension}-d"
    wanted = reader.about.get("encoder", space)
    if wanted != space:
        raise InputError(f"the reader reads [{wanted}], not [{space}]; give another.")
    return encoder


def faces_of(photos: list[Any], reader: Any) -> list[dict[str, Any]]:
    """Return the JSON form of the faces of some photos, read at once.

    Parameters
    ----------
    photos : list of (str, ndarray)
        Ids, and what :class:`Located` gives of a photo's faces.
    reader : TemplateReader or PixelReader

    Returns
    -------
    list of dict
        As in :class:`sfumato.jobs.describe.Description`.
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


def plain_reading(reading: Any) -> list[Any]:
    """Return a reading's JSON form, one dict a face.

    As :class:`sfumato.jobs.describe.Description` has them.
    """
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


def row_schema(reader: Any) -> Any:
    """Return the Arrow schema of a reader's rows, but for the face's number."""
    fields = [("image_id", pa.string()), *((name, pa.float32()) for name in (*BOX, "score"))]
    for task in reader.tasks if reader.kind == "pixels" else reader.tasks_:
        if isinstance(task, AgeTask):
            fields += [(f"{task.name}{end}", pa.int32()) for end in ("", "_low", "_high")]
        else:
            fields += [(task.name, pa.string()), (f"{task.name}_probability", pa.float32())]
    return pa.schema(fields)


def flat_face(face: Any) -> Any:
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
