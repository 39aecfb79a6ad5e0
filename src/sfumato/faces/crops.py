"""Faces as network input: decoded and cut out once, then read from a memory-mapped file.

Training reads each face many times; decoding every time would starve it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE, similarity, warp
from sfumato.faces.detect import Face
from sfumato.validation import need

IMAGES, ROWS, ABOUT = "images.npy", "rows.parquet", "crops.json"
TASK = 16
#: How much more than ArcFace's template a crop shows, so that hair and chin are on it.
ZOOM = 0.72


def crop_matrix(landmarks: Any, size: int = 128, zoom: Any = ZOOM) -> Any:
    """Return the transform of :func:`crop_face`, from photo to crop coordinates, (2, 3)."""
    return similarity(landmarks, crop_landmarks(size, zoom))


def crop_face(
    image: NDArray[np.uint8], landmarks: ArrayLike, size: int = 128, zoom: float = ZOOM
) -> NDArray[np.uint8]:
    """Return the upright face with hair and chin.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3), uint8
    landmarks : array-like of shape (5, 2)
        As in :class:`~sfumato.faces.detect.Face`.
    size : int, default=128
    zoom : float, default=0.72
        Of ArcFace's template, about the middle; 1 cuts at the brows and at the chin.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Black outside the photo.
    """
    return warp(image, crop_matrix(landmarks, size, zoom), size)


def crop_landmarks(size: int = 128, zoom: Any = ZOOM) -> Any:
    """Return where :func:`crop_face` puts the five landmarks, an array of shape (5, 2)."""
    middle = (size - 1) / 2
    return (ARCFACE * (size / 112) - middle) * zoom + middle


class Cropper:
    """In the place of an encoder: gives the crop of a face, or the whole photo, scaled.

    Parameters
    ----------
    size : int
    zoom : float or None
        None: the whole photo, whatever its proportions.
    """

    name = "crop"

    def __init__(self, size: int, zoom: float | None) -> None:
        self.size, self.zoom = size, zoom
        self.version = f"{size} px, zoom {zoom}"

    def encode(self, image: Any, face: Any) -> Any:
        """Return a uint8 crop of shape (size, size, 3)."""
        if self.zoom is not None:
            return crop_face(image, face.landmarks, self.size, self.zoom)
        cv2 = need("cv2", "faces")
        shrink = max(image.shape[:2]) > self.size
        how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        return cv2.resize(image, (self.size, self.size), interpolation=how)


class WholePhoto:
    """In the place of a detector: the photo is the face."""

    name = "whole"

    def detect(self, image: Any) -> list[Any]:
        """Return one face."""
        height, width = image.shape[:2]
        return [Face((0, 0, width, height), 1.0, np.zeros((5, 2)), self.name)]


class Crops:
    """Cropped faces on disk with their labels.

    Parameters
    ----------
    folder : str or Path
        As :func:`sfumato.jobs.crops.crop_faces` wrote it.

    Attributes
    ----------
    images : memory-mapped ndarray of shape (n_images, size, size, 3), uint8
    labels : dict of str to ndarray of shape (n_images,)
        ``image_id`` and the source's labels.
    about : dict
        ``size``, ``zoom`` (None: whole photos), ``detector``, ``source``, ``n_rejects``.

    Raises
    ------
    InputError
        If the folder is not one of crops.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        if not (folder / ABOUT).is_file():
            raise InputError(f"{folder}: no folder of crops; make it with crop_faces.")
        self.about = json.loads((folder / ABOUT).read_text())
        self.images = np.load(folder / IMAGES, mmap_mode="r")
        table = pq.read_table(folder / ROWS)
        self.labels = {
            name: np.array(table[name].to_pylist(), dtype=object) for name in table.column_names
        }

    def __len__(self):
        return len(self.images)


class Stack:
    """Images of several arrays as one; they are read when asked for.

    Parameters
    ----------
    parts : sequence of ndarray of shape (n_images, size, size, 3), uint8
        May be memory-mapped.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, parts: Sequence[NDArray[Any]]) -> None:
        self.parts = list(parts)
        self._ends = np.cumsum([0, *map(len, self.parts)])
        self.shape = (int(self._ends[-1]), *self.parts[0].shape[1:])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, numbers):
        """Return the images of these numbers (int64 array), in their order."""
        found = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        which = np.searchsorted(self._ends, numbers, side="right") - 1
        for part in np.unique(which):
            rows = which == part
            found[rows] = self.parts[part][numbers[rows] - self._ends[part]]
        return found


class Subset:
    """Some images of an array or a stack; they are read when asked for.

    Parameters
    ----------
    images : ndarray or Stack
    rows : ndarray of int
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, images: Any, rows: NDArray[Any]) -> None:
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, numbers):
        """Return the images of these numbers (int64 array) within the subset."""
        return self.images[self.rows[numbers]]
