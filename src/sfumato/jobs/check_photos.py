"""Compare a photo before and after: what unseen readers and an unseen matcher say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.faces.photos import MAX_PIXELS, read_photo
from sfumato.jobs.protect_files import photo_detector
from sfumato.perturbers.editing import Wish
from sfumato.perturbers.verdict import NAMES, count_verdicts, judge_face
from sfumato.validation import check_choice


def check_photos(
    before: str | Path,
    after: str | Path,
    attributes: Sequence[str],
    *,
    detector: Any = "dlib",
    check: Any = None,
    labels: Mapping[str, str] | None = None,
    readings: Mapping[int, Mapping[str, Any]] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> dict[str, Any]:
    """Return what machines say of the faces of a photo, before and after it was changed.

    Parameters
    ----------
    before, after : str or Path
        Photos of the same size.
    attributes : sequence of str
        What should be hidden: "gender", "race" or "age".
    detector : str or Detector, default="dlib"
        Finds the faces, in ``before``.
    check : FaceCheck, optional
        Default: the readers and the matcher that come with sfumato.
    labels : mapping of str to str, optional
        What all these faces show; default: what each reader says before.
    readings : mapping of int to dict, optional
        More readings by face, as :func:`sfumato.readers.own.read_readings` gives them.
    max_pixels : int, default=100_000_000

    Returns
    -------
    dict
        ``faces``: of each, the largest first, the ``check`` and the ``verdict``, see
        :func:`sfumato.perturbers.verdict.judge_face`; and the ``verdict`` on all.

    Raises
    ------
    InputError
        For an unknown attribute, photos of different sizes, or no face.
    """
    from sfumato.readers.check import FaceCheck

    for name in attributes:
        check_choice(name, tuple(NAMES), "attribute of photos")
    images = [read_photo(path, max_pixels=max_pixels) for path in (before, after)]
    if images[0].shape != images[1].shape:
        sizes = [f"{image.shape[1]} x {image.shape[0]}" for image in images]
        raise InputError(
            f"{before} has {sizes[0]} pixels, {after} {sizes[1]}; give a photo and its copy."
        )
    faces = photo_detector(detector).detect(images[0])
    if not faces:
        raise InputError(f"{before}: no face found.")
    checker: Any = FaceCheck() if check is None else check
    wish = Wish(dict.fromkeys(attributes), labels=dict(labels or {}))
    _check_readings(readings or {}, len(faces))
    found = []
    for number, face in enumerate(faces):
        said = checker.compare(*images, face)
        said["readings"] |= (readings or {}).get(number, {})
        found.append({"check": said, "verdict": judge_face(said, wish)})
    return {
        "faces": found,
        "verdict": count_verdicts([face["verdict"] for face in found], wish),
    }


def _check_readings(readings, n_faces):
    unknown = sorted(set(readings) - set(range(n_faces)))
    if unknown:
        raise InputError(
            f"readings are given of face {unknown[0]}; the photo has {n_faces}, numbered from 0."
        )
