"""Columns of labels that a reader reads off faces while they are embedded."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.faces.crops import Cropper
from sfumato.readers.files import reader_of_templates, shipped_reader
from sfumato.readers.tasks import AgeTask

ENDING = "_read"


class WithCrop:
    """An encoder whose embeddings go with the face's crop, in one row of float32."""

    def __init__(self, encoder: Any, cropper: Cropper) -> None:
        self.encoder, self.cropper = encoder, cropper

    def encode(self, image: NDArray[np.uint8], face: Any) -> NDArray[np.float32]:
        """Return the embedding, then the crop's pixels, shape (dimension + size * size * 3,)."""
        both = (self.encoder.encode(image, face), self.cropper.encode(image, face))
        return np.concatenate([part.ravel().astype(np.float32) for part in both])


class ReadColumns:
    """What the bundled readers read of faces that are embedded.

    Parameters
    ----------
    encoder : Encoder
        Its embeddings are read where a bundled reader reads them, else the face's pixels are
        (needs the extra ``deep``).

    Attributes
    ----------
    reader : TemplateReader or PixelReader
    encoder : Encoder or WithCrop
        Gives the rows that :meth:`split` takes.
    fields : list of pyarrow.Field
        Of each class ``NAME_read`` and ``NAME_read_probability``, of an age ``NAME_read``.
    """

    def __init__(self, encoder: Any) -> None:
        self._dimension = encoder.dimension
        space = f"{encoder.name} / {encoder.version} / {encoder.dimension}-d"
        self.reader = reader_of_templates(space) or shipped_reader("pixels")
        self.encoder, self.fields = encoder, []
        if self.reader.kind == "pixels":
            self.encoder = WithCrop(encoder, Cropper(**self.reader.crops))
        tasks = self.reader.tasks if self.reader.kind == "pixels" else self.reader.tasks_
        for task in tasks:
            name = f"{task.name}{ENDING}"
            if isinstance(task, AgeTask):
                self.fields.append(pa.field(name, pa.int32()))
            else:
                self.fields.append(pa.field(name, pa.string()))
                self.fields.append(pa.field(f"{name}_probability", pa.float32()))

    def check(self, source: Any) -> None:
        """Refuse a source that has such columns already."""
        for field in self.fields:
            if field.name in source.schema.names:
                raise InputError(
                    f"{source.path}: has a column {field.name}; drop it, or leave out describe."
                )

    def split(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[pa.Array]]:
        """Return the embeddings of the encoder's rows, and the columns that were read."""
        X, pixels = rows[:, : self._dimension], rows[:, self._dimension :]
        if not len(X):
            return X, [pa.array([], field.type) for field in self.fields]
        seen = X
        if self.reader.kind == "pixels":
            size = self.reader.crops["size"]
            seen = pixels.reshape(-1, size, size, 3).astype(np.uint8)
        arrays = []
        for reading in self.reader.read(seen).values():
            if isinstance(reading.task, AgeTask):
                arrays.append(pa.array(reading.label, pa.int32()))
            else:
                arrays.append(pa.array([str(label) for label in reading.label], pa.string()))
                arrays.append(pa.array(reading.confidence.astype(np.float32), pa.float32()))
        return X, arrays
