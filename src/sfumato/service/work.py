"""What the service's worker processes do: models loaded once, then one request at a time.

Functions take and give plain values; an :class:`~sfumato.errors.InputError` is the user's.
"""

import base64
import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sfumato.data.info import by_direction
from sfumato.data.rows import NO_DIRECTION, zero_rows
from sfumato.errors import InputError
from sfumato.faces.detect import plain_box
from sfumato.faces.detectors import make_detector
from sfumato.faces.encoders import make_encoder
from sfumato.faces.limits import PhotoLimits
from sfumato.faces.photos import read_photo
from sfumato.jobs.local import limit_threads
from sfumato.metrics.scores import pair_scores
from sfumato.models.files import bundled, load_model
from sfumato.models.protection import CheckedTransform
from sfumato.models.protector import protect_photo as protect_one
from sfumato.models.registry import RECOMMENDED_PERTURBER
from sfumato.outcomes import Progress
from sfumato.perturbers.base import with_strength
from sfumato.perturbers.editing import RACE, Wish
from sfumato.perturbers.verdict import count_verdicts, describe_verdict
from sfumato.readers.check import THRESHOLDS, FaceCheck
from sfumato.readers.describe import (
    LAWFUL,
    Located,
    faces_of,
    input_of,
)
from sfumato.service._bodies import RawTemplates, TwoPhotos, photo_bytes, read_as
from sfumato.service._room import admit_photo
from sfumato.validation import check_embeddings

#: Of templates if no model says it.
DIMENSION = 512


@dataclass(frozen=True)
class Models:
    """Which models the service works with, as names and paths.

    Parameters
    ----------
    detector, encoder : str
        As on the command line.
    eraser : str, optional
        A saved or exported eraser for templates.
    perturber : str, optional
        A saved or exported perturber's file, or the name of a bundled one; default:
        PrivacyNet, if it does.
    galleries : tuple of str
        Folders of galleries to serve.
    photos : PhotoLimits
        Photos beyond are refused before they are decoded.
    max_faces : int
        Photos with more faces are refused.
    """

    detector: str = "dlib"
    encoder: str = "dlib"
    eraser: str | None = None
    perturber: str | None = None
    galleries: tuple[str, ...] = ()
    photos: PhotoLimits = PhotoLimits()
    max_faces: int = 50

    def load(self) -> Any:
        """Return the models themselves, Loaded."""
        found = Loaded(
            self, make_detector(self.detector), make_encoder(self.encoder), FaceCheck(self.encoder)
        )
        if self.eraser is not None:
            found.eraser = load_model(self.eraser, "eraser")
        if self.perturber is not None:
            found.perturber = load_model(self.perturber, "perturber")
        elif RECOMMENDED_PERTURBER in bundled("perturber"):
            found.perturber = load_model(RECOMMENDED_PERTURBER, "perturber")
        return found

    def load_for_audits(self) -> Any:
        """Return what audits need of the models, Loaded."""
        found = Loaded(self, None, None, None)
        if self.eraser is not None:
            found.eraser = load_model(self.eraser, "eraser")
        return found


@dataclass
class Loaded:
    """The models themselves, of which every worker process has one set."""

    models: Models
    detector: Any
    encoder: Any
    check: Any
    perturber: Any = None
    eraser: Any = None
    readers: dict = field(default_factory=dict)
    galleries: dict = field(default_factory=dict)


_loaded: Loaded
_progress: Any


def load(models: Any, progress: Progress | None, *, for_audits: bool = False) -> None:
    """Load the models into this process; ``progress`` is the pool's array."""
    global _loaded, _progress
    _progress = progress
    limit_threads()
    _loaded = models.load_for_audits() if for_audits else models.load()


def data_bytes() -> int:
    """Return the bytes that this process has for data, as RLIMIT_DATA counts them (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("VmData:"))


def loaded() -> Any:
    """Return this process's models, Loaded."""
    return _loaded


def progress() -> Any:
    """Return the array of how far the pool's long jobs are."""
    return _progress


def _hides(perturber):
    """Return what callers may hide: race not, which paints skin."""
    shown = {} if perturber is None else perturber.shown_
    return {name: list(classes) for name, classes in shown.items() if name != "race"}


def ready() -> dict[str, Any]:
    """Return what the models can do."""
    perturber, eraser = _loaded.perturber, _loaded.eraser
    return {
        "encoder": f"{_loaded.encoder.name} / {_loaded.encoder.version}",
        "hides": _hides(perturber),
        "reads": [n for n in (_loaded.models.encoder, "pixels") if n in bundled("reader")],
        "strength": _strength(perturber),
        "takes_out": [] if eraser is None else list(eraser.attributes),
        "dimension": max([*_dimensions(), 0]) or DIMENSION,
        "pid": os.getpid(),
    }


def _strength(perturber):
    """Return how much the perturber changes photos as it is; None if that cannot be set."""
    if perturber is None or perturber.scaled_by is None:
        return None
    return perturber.get_params()[perturber.scaled_by]


def _dimensions():
    """Yield the numbers of the templates that come as JSON, as far as they are known."""
    if _loaded.eraser is not None:
        yield _loaded.eraser.eraser.n_features_in_
    if not _loaded.models.galleries:
        return
    from sfumato.gallery import Gallery

    for folder in _loaded.models.galleries:
        # A damaged one says so when it is asked for.
        with contextlib.suppress(Exception):
            yield Gallery(Path(folder)).info.dimension


def in_json(function: Any, *args: Any) -> tuple[bytes, dict[str, int]]:
    """Return what a function gives as JSON, and its outcomes by name if it tells any.

    Here, since writing a million numbers takes seconds, in which the service would not answer.
    """
    found = function(*args)
    found, outcomes = found if isinstance(found, tuple) else (found, {})
    return json.dumps(found, allow_nan=False, separators=(",", ":")).encode(), outcomes


def describe(photo: Any, reader: Any, largest: Any) -> dict[str, Any]:
    """Return what the faces of a photo show; see :func:`sfumato.jobs.describe.describe`."""
    if reader not in _loaded.readers:
        _loaded.readers[reader] = load_model(reader, "reader")
    used = _loaded.readers[reader]
    image, faces = _faces(photo)
    located = Located(input_of(used, _loaded.encoder))
    rows = [located.encode(image, face) for face in (faces[:1] if largest else faces)]
    found = faces_of([("", np.stack(rows))], used)
    for face in found:
        del face["image_id"]
    return {"note": LAWFUL, "faces": found}


def embed(photo: Any, largest: Any) -> Any:
    """Return the faces' templates, protected if there is an eraser."""
    image, faces = _faces(photo)
    faces = faces[:1] if largest else faces
    X = np.stack([_loaded.encoder.encode(image, face) for face in faces])
    boxes = [plain_box(face.box) for face in faces]
    named = [{"face": n, "box": box} for n, box in enumerate(boxes)]
    return _templates(X, named)


def protect_templates(content: bytes) -> Any:
    """Return the templates of a body with the eraser's attributes taken out."""
    embeddings = read_as(RawTemplates, content).embeddings
    if _loaded.eraser is None:
        raise InputError("this service has no eraser; start it with --eraser MODEL.")
    wanted = _loaded.eraser.eraser.n_features_in_
    for number, row in enumerate(embeddings):
        if len(row) != wanted:
            raise InputError(
                f"embeddings, row {number}: has {len(row)} numbers, the eraser takes {wanted}."
            )
    with np.errstate(over="ignore"):  # What is beyond float32 is refused as infinite.
        X = check_embeddings(np.array(embeddings, dtype=np.float32), "embeddings")
    zeros = zero_rows(X)
    if zeros.size and by_direction(_loaded.eraser.info.metric):
        raise InputError(f"embeddings, row {zeros[0]}: {NO_DIRECTION}.")
    return _templates(X, [{} for _ in X])


def _templates(X, named):
    eraser = _loaded.eraser
    if eraser is not None:
        transform = CheckedTransform(eraser, "the body", eraser.info.metric)
        X = transform(X)
        transform.check_distinct()
    return {
        "protected": eraser is not None,
        "eraser": None if eraser is None else eraser.fingerprint,
        "faces": [entry | {"embedding": x.tolist()} for entry, x in zip(named, X, strict=True)],
    }


def largest_template(photo: Any) -> Any:
    """Return the raw template of a photo's largest face."""
    image, faces = _faces(photo)
    return _loaded.encoder.encode(image, faces[0])


def verify(content: bytes, max_bytes: int) -> dict[str, Any]:
    """Return whether the largest faces of a body's two photos are one person's."""
    photos = read_as(TwoPhotos, content)
    both = [photo_bytes(getattr(photos, n), max_bytes, n) for n in ("first", "second")]
    templates = [largest_template(photo) for photo in both]
    version = f"{_loaded.encoder.name} / {_loaded.encoder.version}"
    if version not in THRESHOLDS:
        raise InputError(f"no threshold is known for the encoder {version}.")
    threshold = THRESHOLDS[version]
    score = float(pair_scores(np.stack(templates), [0], [1], _loaded.encoder.metric)[0])
    return {
        "score": score,
        "threshold": threshold.score,
        "fmr": threshold.fmr,
        "same_person": score >= threshold.score,
    }


def protect_photo(
    photo: Any,
    hide: Any,
    keep: Any,
    face: Any,
    at_random: Any,
    strength: Any,
    ending: Any,
    check: Any,
) -> dict[str, Any]:
    """Return a photo whose faces are perturbed, and what was done to each.

    Returns
    -------
    dict
        ``photo`` (bytes) and what :class:`sfumato.jobs.protect_files.ProtectedPhotos`
        says of one: ``faces``, ``skipped``, ``notes``, ...; with ``check`` the ``verdict``
        on all faces and its ``text``, a list of clauses.
    """
    if _loaded.perturber is None:
        raise InputError("this service has no perturber; start it with --perturber FILE.")
    perturber = _loaded.perturber
    if strength is not None:
        perturber = with_strength(perturber, strength)
    admit_photo(photo, _loaded.models.photos)
    if "race" in hide and "race" in perturber.shown_:
        raise InputError(f"{RACE} This service never does it.")
    wish = Wish.of(perturber, hide, keep=keep, at_random=at_random, face=face)
    done = protect_one(
        photo,
        _find,
        perturber,
        wish,
        ending=ending,
        check=_loaded.check if check else None,
    )
    found = {"photo": done.content} | done.entry
    if check:
        verdicts = [face["verdict"] for face in done.entry["faces"]]
        found["verdict"] = count_verdicts(verdicts, wish)
        found["verdict"]["text"] = describe_verdict(found["verdict"])
    return found


def protect_photo_in_json(*args: Any) -> dict[str, Any]:
    """Return the same with the photo in base64."""
    found = protect_photo(*args)
    return found | {"photo": base64.b64encode(found["photo"]).decode()}


def _faces(photo):
    """Return a photo's pixels and its faces, the largest first."""
    admit_photo(photo, _loaded.models.photos)
    image = read_photo(photo)
    return image, _find(image)


def _find(image):
    """Return the faces of a photo's pixels, the largest first; too many are refused."""
    faces = _loaded.detector.detect(image)
    if not faces:
        raise InputError("no face found.")
    if len(faces) > _loaded.models.max_faces:
        raise InputError(
            f"{len(faces)} faces are more than the limit of {_loaded.models.max_faces}; cut the "
            "photo."
        )
    return faces
