"""The detector that a string names, with the retries that go with it."""

from typing import Any

from sfumato.errors import InputError
from sfumato.faces.centerface import CenterFaceDetector, packaged_file
from sfumato.faces.detect import PAD, Detector, DlibDetector, MtcnnDetector, YunetDetector
from sfumato.faces.retries import RetryingDetector

CHOICES = "dlib, dlib-68, mtcnn, centerface, centerface:PATH, yunet:PATH"


def make_detector(spec: str, *, pad: float = PAD, max_side: int | None = None) -> RetryingDetector:
    """Return the detector that a string names; it retries before it finds no face.

    Where the file of CenterFace is installed, every other detector asks it last.

    Parameters
    ----------
    spec : {"dlib", "dlib-68", "mtcnn", "centerface", "centerface:PATH", "yunet:PATH"}
        "dlib-68" places the landmarks by a model whose makers exclude commercial use.
    pad : float in [0, 1], default=0.15
        Black border on every side, as a share of the photo's longer side.
    max_side : int, optional
        Larger photos are shrunk to this longest side at the first try; default: the detector's.
    """
    first = plain_detector(spec, pad=pad, max_side=max_side)
    if isinstance(first, CenterFaceDetector) or packaged_file() is None:
        return RetryingDetector(first)
    return RetryingDetector(first, CenterFaceDetector())


def plain_detector(spec: str, *, pad: float = PAD, max_side: int | None = None) -> Detector:
    """Return the detector of a name without retries; parameters as for :func:`make_detector`."""
    kind, _, path = str(spec).partition(":")
    options: dict[str, Any] = {"pad": pad} | ({} if max_side is None else {"max_side": max_side})
    if kind == "yunet" and path:
        return YunetDetector(path, **options)
    if kind == "centerface" and (path or spec == "centerface"):
        return CenterFaceDetector(path or None, **options)
    if spec == "dlib":
        return DlibDetector(**options)
    if spec == "dlib-68":
        return DlibDetector(n_landmarks=68, **options)
    if spec == "mtcnn":
        return MtcnnDetector(**options)
    raise InputError(f"detector must be one of {CHOICES}, got {spec!r}.")
