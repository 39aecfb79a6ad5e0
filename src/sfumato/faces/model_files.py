"""Files of models that find and encode faces: where they are, which version, on what terms."""

import hashlib
from pathlib import Path
from typing import Any

from sfumato.errors import InputError

#: Whether a model may be used commercially, by the file that holds it, as docs/licences.md tells
#: with reasons. "unclear": the file's terms allow it, those of its training data may not.
COMMERCIAL = {
    "dlib's HOG face detector": "yes",
    "shape_predictor_5_face_landmarks.dat": "yes",
    "shape_predictor_68_face_landmarks.dat": "no",
    "dlib_face_recognition_resnet_model_v1.dat": "unclear",
    "pnet.onnx": "unclear",
    "rnet.onnx": "unclear",
    "onet.onnx": "unclear",
    "centerface.onnx": "unclear",
}
YOURS = "yours to check"


def existing_file(path: str | Path, what: Any) -> Any:
    """Return ``path`` as a Path, or raise InputError saying ``what`` should be there."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of {what}.")
    return path


def file_version(path: str | Path) -> Any:
    """Return the first 12 hex digits of a file's SHA-256: the version of a model file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def say_models(detector: Any, encoder: Any) -> str:
    """Return which models find and encode faces, and whether their commercial use is clear.

    Parameters
    ----------
    detector : Detector
    encoder : Encoder

    Returns
    -------
    str
        One sentence after the other; files without a known answer are "yours to check".
    """
    files = dict.fromkeys([*_files(detector), *_files(encoder)])
    answers: dict[str, list[str]] = {}
    for file in files:
        answers.setdefault(COMMERCIAL.get(file, YOURS), []).append(file)
    terms = [
        f"{answer} ({', '.join(answers[answer])})"
        for answer in ("no", "unclear", YOURS)
        if answer in answers
    ]
    landmarks = getattr(detector, "landmarks", "its own landmarks")
    return (
        f"Detector {detector.name} with {landmarks}, encoder {encoder.name}. "
        f"Commercial use: {', '.join(terms) or 'yes'}; docs/licences.md says why."
    )


def _files(model):
    """Return the names of a model's files; one of the user's own may name none."""
    return getattr(model, "files", (model.name,))
