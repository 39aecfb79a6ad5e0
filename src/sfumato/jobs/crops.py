"""Cut the largest face out of every photo, once, for training."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap

from sfumato.errors import InputError
from sfumato.faces.crops import ABOUT, IMAGES, ROWS, ZOOM, Cropper, Crops, WholePhoto
from sfumato.faces.detect import PAD
from sfumato.faces.detectors import make_detector
from sfumato.faces.embedder import FaceEmbedder
from sfumato.faces.photos import MAX_PIXELS
from sfumato.faces.sources import open_source
from sfumato.files import atomic_folder
from sfumato.jobs.base import PhotoJob, rejects_of
from sfumato.jobs.local import local_runner
from sfumato.jobs.part_files import REJECTS
from sfumato.jobs.running import run_parts
from sfumato.outcomes import Progress, Reject


class Crop(PhotoJob):
    """Photos to crops of their largest faces.

    Parameters
    ----------
    source : FileSource or TableSource
    embedder : FaceEmbedder
        With a :class:`~sfumato.faces.crops.Cropper` for an encoder.
    """

    def cut(self, part: Any) -> tuple[Any, ...]:
        """Return a part's crops, an array, their labels, a table, and the rejects."""
        crops, labels, rejects = [], [], []
        for task, outcomes in self.outcomes(part):
            good = [not isinstance(outcome, Reject) for outcome in outcomes]
            columns = dict(zip(task.labels.schema.names, task.labels.columns, strict=True))
            labels.append(pa.table({"image_id": task.ids} | columns).filter(pa.array(good)))
            crops += [outcome[0] for outcome in outcomes if not isinstance(outcome, Reject)]
            rejects += rejects_of(task, outcomes)
        size = self.do.encoder.size
        X = np.stack(crops) if crops else np.empty((0, size, size, 3), np.uint8)
        return X, pa.concat_tables(labels), rejects


def crop_faces(
    source: str | Path,
    folder: str | Path,
    *,
    size: int = 128,
    zoom: float | None = ZOOM,
    detector: Any = "dlib",
    max_pixels: int = MAX_PIXELS,
    pad: float = PAD,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Crops:
    """Cut the largest face out of every photo, once, for training.

    Parameters
    ----------
    source : str or Path
        As for :func:`sfumato.jobs.embed.embed`.
    folder : str or Path
        To be made; it is whole or missing.
    size : int, default=128
        Pixels a side.
    zoom : float or None, default=0.72
        See :func:`sfumato.faces.crops.crop_face`; None takes the whole photo, without a
        detector.
    detector, max_pixels, pad, workers, progress
        As for :func:`sfumato.jobs.embed.embed`.

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
    about = {"size": size, "zoom": zoom, "detector": found.name, "source": photos.name}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as part:
        about["n_rejects"] = _write(Crop(photos, embedder), part, workers, progress)
        (part / ABOUT).write_text(json.dumps(about, indent=1))
    return Crops(folder)


def _write(job, folder, workers, progress):
    """Fill the folder; return how many photos were rejected."""
    n_photos, size = job.source.n_photos, job.do.encoder.size
    images = _images(folder / "all.npy", (n_photos, size, size, 3))
    parts = job.parts(job.part_rows)
    starts = np.cumsum([0, *(part.n_rows for part in parts)])
    found, n_seen = {}, 0
    for part, (crops, labels, rejects) in run_parts(
        job, job.cut, parts, local_runner(workers, len(parts))
    ):
        start = starts[part.number]
        images[start : start + len(crops)] = crops
        found[part.number] = labels, rejects
        n_seen += part.n_rows
        if progress is not None:
            progress(n_seen, n_photos, job.what)
    labels = pa.concat_tables([found[part.number][0] for part in parts])
    rejects = [bad for part in parts for bad in found[part.number][1]]
    if not labels.num_rows:
        raise InputError(f"{job.source.path}: no face in any of {n_photos} photos.")
    _shorten(images, folder, [(starts[part.number], len(found[part.number][0])) for part in parts])
    pq.write_table(labels, folder / ROWS)
    if rejects:
        pq.write_table(pa.Table.from_pylist(rejects, REJECTS), folder / "rejects.parquet")
    return len(rejects)


def _images(path, shape):
    """Return a new file of pixels as an array."""
    images = open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):  # On a full disk a write to the array ends the process.
        with open(path, "rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images


def _shorten(images, folder, places):
    """Keep the images at these places, each a start and a number; the file of all goes."""
    images.flush()
    path = folder / "all.npy"
    n_kept = sum(n for _, n in places)
    if n_kept == len(images):
        path.rename(folder / IMAGES)
        return
    kept = _images(folder / IMAGES, (n_kept, *images.shape[1:]))
    at = 0
    for start, n in places:
        kept[at : at + n] = images[start : start + n]
        at += n
    kept.flush()
    path.unlink()
