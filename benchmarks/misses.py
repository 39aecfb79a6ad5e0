"""Faces that detectors miss, by race: UTKFace, at the first try and after the retries.

Every photo of UTKFace shows a face in its middle. One that is found elsewhere alone is missed.
"False" is the share of the first 40, cut into 64 tiles in random order, with a face found.
"""

import sys
import time

import numpy as np
import pyarrow.parquet as pq

TILES, N_MIXED = 8, 40


def run(spec="utkface.parquet:2000:dlib,mtcnn,centerface") -> dict:
    """Return misses by detector and race with 95 % intervals, false finds and seconds a face.

    ``spec`` is TABLE:N_PHOTOS:DETECTORS, with detectors as for ``--detector``, a comma between.
    """
    table, n_photos, names = spec.split(":", 2)
    photos, races = _photos(table, int(n_photos))
    rng = np.random.default_rng(1)
    mixed = [_mix(photo, rng) for photo in photos[:N_MIXED]]
    found = {name: _judge(name, photos, races, mixed) for name in names.split(",")}
    counts = {race: int(np.sum(races == race)) for race in sorted(set(races.tolist()))}
    return {"name": "faces missed", "n_photos": len(photos), "races": counts, "detectors": found}


def _judge(name, photos, races, mixed):
    """Return what a detector misses, alone, with views of its own and with all retries."""
    from sfumato.faces.detectors import make_detector, plain_detector
    from sfumato.faces.retries import RetryingDetector

    stages = {"first": plain_detector(name)}
    stages["views"] = RetryingDetector(stages["first"])
    if (full := make_detector(name)).others:
        stages["all"] = full
    left, falsely, result = np.arange(len(photos)), np.arange(len(mixed)), {}
    for stage, detector in stages.items():
        start = time.perf_counter()
        left = np.array([n for n in left if not _finds(detector, photos[n])], int)
        seconds = time.perf_counter() - start
        falsely = np.array([n for n in falsely if not detector.detect(mixed[n])], int)
        missed = np.isin(np.arange(len(photos)), left)
        rates = {race: _rate(missed[races == race]) for race in sorted(set(races.tolist()))}
        result[stage] = {"missed": _rate(missed), **rates, "seconds": round(seconds, 1)}
        result[stage]["false"] = _rate(~np.isin(np.arange(len(mixed)), falsely))
        print(name, stage, result[stage], file=sys.stderr)
    return result


def _finds(detector, photo):
    """Return whether the middle of the largest face's landmarks lies in the photo's middle."""
    faces = detector.detect(photo)
    if not faces:
        return False
    middle = faces[0].landmarks.mean(axis=0) / photo.shape[1::-1]
    return bool(np.all((middle > 0.25) & (middle < 0.75)))


def _rate(missed):
    """Return a share and its Wilson interval of 95 %."""
    n, share, z = len(missed), float(np.mean(missed)), 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return [round(float(value), 4) for value in (share, middle - half, middle + half)]


def _photos(table, n_photos):
    """Return photos drawn at random, uint8, and their races."""
    from sfumato.faces.photos import read_photo

    rows = pq.read_table(table, columns=["image", "race"])
    chosen = np.sort(np.random.default_rng(0).choice(len(rows), n_photos, replace=False))
    rows = rows.take(chosen).to_pylist()
    photos = [read_photo(row["image"]["bytes"]) for row in rows]
    return photos, np.array([row["race"] for row in rows])


def _mix(photo, rng):
    """Return a photo's tiles in a random order."""
    size = min(photo.shape[:2]) // TILES
    tiles = photo[: size * TILES, : size * TILES].reshape(TILES, size, TILES, size, 3)
    tiles = tiles.swapaxes(1, 2).reshape(-1, size, size, 3)
    tiles = rng.permutation(tiles).reshape(TILES, TILES, size, size, 3)
    return np.ascontiguousarray(tiles.swapaxes(1, 2).reshape(size * TILES, size * TILES, 3))
