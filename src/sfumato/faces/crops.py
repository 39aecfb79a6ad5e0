"""Faces as network input: decoded and cut out once, then read from a memory-mapped file.

Training reads each face many times; decoding every time would starve it.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap

from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE, similarity, warp
from sfumato.faces.detect import PAD, Face, make_detector
from sfumato.faces.parts import REJECTS
from sfumato.faces.photos import MAX_PIXELS
from sfumato.faces.sources import open_source
from sfumato.faces.workers import FaceEmbedder, embed_in_order, n_cores
from sfumato.outcomes import Reject
from sfumato.validation import need

IMAGES, ROWS, ABOUT = "images.npy", "rows.parquet", "crops.json"
TASK = 16
#: How much more than ArcFace's template a crop shows, so that hair and chin are on it.
ZOOM = 0.72


def crop_matrix(landmarks, size=128, zoom=ZOOM):
    """Return the transform of :func:`crop_face`, from photo to crop coordinates, (2, 3)."""
    return similarity(landmarks, crop_landmarks(size, zoom))


def crop_face(image, landmarks, size=128, zoom=ZOOM):
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


def crop_landmarks(size=128, zoom=ZOOM):
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

    def __init__(self, size, zoom):
        self.size, self.zoom = size, zoom
        self.version = f"{size} px, zoom {zoom}"

    def encode(self, image, face):
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

    def detect(self, image):
        """Return one face."""
        height, width = image.shape[:2]
        return [Face((0, 0, width, height), 1.0, np.zeros((5, 2)), self.name)]


class Crops:
    """Cropped faces on disk with their labels.

    Parameters
    ----------
    folder : str or Path
        As :func:`crop_faces` wrote it.

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

    def __init__(self, folder):
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

    def __init__(self, parts):
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

    def __init__(self, images, rows):
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, numbers):
        """Return the images of these numbers (int64 array) within the subset."""
        return self.images[self.rows[numbers]]


def crop_faces(
    source,
    folder,
    *,
    size=128,
    zoom=ZOOM,
    detector="dlib",
    max_pixels=MAX_PIXELS,
    pad=PAD,
    workers=None,
    progress=None,
):
    """Cut the largest face out of every photo, once, for training.

    Parameters
    ----------
    source : str or Path
        As for :func:`sfumato.faces.embed.embed`.
    folder : str or Path
        To be made; written under another name first, so that it is whole or missing.
    size : int, default=128
        Pixels a side.
    zoom : float or None, default=0.72
        See :func:`crop_face`; None takes the whole photo, without any detector.
    detector, max_pixels, pad, workers, progress
        As for :func:`sfumato.faces.embed.embed`.

    Returns
    -------
    Crops
        Photos without a face are left out; ``rejects.parquet`` in the folder lists them.

    Raises
    ------
    InputError
        If the folder exists, the source has no photos, or no face is found in any.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder} exists already; give another folder.")
    photos = open_source(source)
    if zoom is None:
        found = WholePhoto()
    else:
        found = make_detector(detector, pad=pad) if isinstance(detector, str) else detector
    embedder = FaceEmbedder(found, Cropper(size, zoom), all_faces=False, max_pixels=max_pixels)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        rejects = _write(photos, embedder, part, size, workers or n_cores(), progress)
        about = {
            "size": size,
            "zoom": zoom,
            "detector": found.name,
            "source": photos.name,
            "n_rejects": rejects,
        }
        (part / ABOUT).write_text(json.dumps(about, indent=1))
        part.chmod(0o755)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Crops(folder)


def _write(photos, embedder, folder, size, workers, progress):
    """Fill the folder; return how many photos were rejected."""
    shape = (photos.n_photos, size, size, 3)
    images = open_memmap(folder / "all.npy", mode="w+", dtype=np.uint8, shape=shape)
    columns, rejects = [], []
    n_kept = n_seen = 0
    for task, outcomes in embed_in_order(embedder, photos.batches(TASK), n_workers=workers):
        good = []
        for name, path, outcome in zip(task.ids, task.paths, outcomes, strict=True):
            good.append(not isinstance(outcome, Reject))
            if good[-1]:
                images[n_kept] = outcome[0]
                n_kept += 1
            else:
                rejects.append({"image_id": name, "path": path, "reason": outcome.reason})
        labels = dict(zip(task.labels.schema.names, task.labels.columns, strict=True))
        columns.append(pa.table({"image_id": task.ids} | labels).filter(pa.array(good)))
        n_seen += len(outcomes)
        if progress is not None:
            progress(n_seen, photos.n_photos)
    if not n_kept:
        raise InputError(f"{photos.path}: no face in any of {photos.n_photos} photos.")
    _shorten(images, folder, n_kept)
    pq.write_table(pa.concat_tables(columns), folder / ROWS)
    if rejects:
        pq.write_table(pa.Table.from_pylist(rejects, REJECTS), folder / "rejects.parquet")
    return len(rejects)


def _shorten(images, folder, n_kept):
    """Keep the first images; the file of all of them goes."""
    images.flush()
    path = folder / "all.npy"
    if n_kept == len(images):
        path.rename(folder / IMAGES)
        return
    kept = open_memmap(
        folder / IMAGES, mode="w+", dtype=np.uint8, shape=(n_kept, *images.shape[1:])
    )
    for start in range(0, n_kept, 4096):
        kept[start : start + 4096] = images[start : min(start + 4096, n_kept)]
    kept.flush()
    path.unlink()
