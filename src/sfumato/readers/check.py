"""Whether a change of a photo did its work: unseen readers and matcher, before and after.

"Unseen" is what a perturber was not trained against. Nobody who trains on such pictures is asked
here; that is what an audit is for.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.faces.crops import Cropper, crop_face
from sfumato.faces.encoders import make_encoder
from sfumato.faces.uploads import upload
from sfumato.metrics.image import psnr, ssim
from sfumato.metrics.scores import pair_scores
from sfumato.readers.describe import plain_reading
from sfumato.readers.files import shipped_reader, shipped_readers

CROP = 128
#: Pixels a side of the faces that functions of a user's own read.
OWN_CROP = 224
MOMENTS = ("before", "after", "uploaded")


@dataclass(frozen=True)
class Threshold:
    """A matcher's working point: two faces are one person's if their score is at least ``score``.

    Parameters
    ----------
    score : float
        In the encoder's metric; for "euclidean" the negative distance.
    fmr : float
        The share of impostor pairs that it accepts where it was measured.
    """

    score: float
    fmr: float


#: By encoder and version. dlib's, measured on LFW (13,233 photos of 5,749 people, deep-funneled,
#: the middle 160 x 160; dlib's HOG detector with ``pad`` 0.15, the largest face of each photo):
#: the lowest threshold (:func:`sfumato.metrics.verification.threshold_at_fmr`) that accepts at
#: most 1 in 1,000 of 10,000,000 pairs drawn (seed 0) from all 87,307,271 pairs of different
#: people. It accepts 93.5 % of all 242,257 genuine pairs, and of the official pairs (view 2) 1 of
#: 3,000 impostor and 89.5 % of 3,000 genuine ones. dlib's own advice, a distance of 0.6, accepts
#: 0.7 % of those impostor pairs.
THRESHOLDS = {"dlib-resnet / 55533b28a958": Threshold(score=-0.541, fmr=1e-3)}


class FaceCheck:
    """Read and match a face before and after; readers and encoder are loaded when first used.

    Parameters
    ----------
    encoder : str or Encoder, default="dlib"
        The unseen matcher; it needs an entry in ``thresholds``.
    readers : dict of str to reader, optional
        Default: those shipped with sfumato that read this encoder's templates or pixels.
    thresholds : dict of str to Threshold, optional
        By "name / version" of an encoder; default :data:`THRESHOLDS`.
    more : dict of str to OwnReader, optional
        Readers besides.
    """

    def __init__(
        self,
        encoder: str = "dlib",
        *,
        readers: dict[str, Any] | None = None,
        thresholds: dict[str, Threshold] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.encoder, self.readers, self.thresholds = encoder, readers, thresholds
        self.more = more or {}
        self._loaded: Any = None

    def __reduce__(self):
        return _rebuilt, (self.encoder, self.readers, self.thresholds, self.more)

    def compare(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], face: Any
    ) -> dict[str, Any]:
        """Return what machines say of a face before and after a change of its photo.

        Parameters
        ----------
        before, after : ndarray of shape (height, width, 3), uint8
            The upright photo.
        face : Face
            Where it is, in both.

        Returns
        -------
        dict
            ``readings``: by reader and attribute ``before``, ``after`` and ``uploaded`` (at half
            the size, a JPEG of quality 75), as :class:`~sfumato.jobs.describe.Description` has
            them. ``match``: ``encoder``, ``metric``, ``score``, ``threshold``, ``fmr`` and
            whether it ``accepted`` the two as one person, also of the one ``uploaded``.
            ``ssim`` and ``psnr_db`` of the face's 128 x 128 crop, the latter None where nothing
            changed.
        """
        encoder, readers, threshold = self.load()
        looks = [(before, face), (after, face), _uploaded(after, face)]
        templates = np.stack([encoder.encode(image, where) for image, where in looks])
        readings = {name: _read(reader, templates, looks) for name, reader in readers.items()}
        score, uploaded = map(float, pair_scores(templates, [0, 0], [1, 2], encoder.metric))
        match = {
            "encoder": f"{encoder.name} / {encoder.version}",
            "metric": encoder.metric,
            "score": round(score, 4),
            "threshold": threshold.score,
            "fmr": threshold.fmr,
            "accepted": score >= threshold.score,
            "uploaded": {"score": round(uploaded, 4), "accepted": uploaded >= threshold.score},
        }
        return {"readings": readings, "match": match} | _difference(before, after, face)

    def load(self) -> Any:
        """Load readers and encoder, once; return them and the threshold.

        Raises
        ------
        InputError
            If no threshold is known for the encoder.
        """
        if self._loaded is None:
            encoder, readers = self.encoder, self.readers
            if readers is None:
                names = [n for n in (encoder, "pixels") if n in shipped_readers()]
                readers = {name: shipped_reader(name) for name in names}
            encoder = make_encoder(encoder) if isinstance(encoder, str) else encoder
            known = THRESHOLDS if self.thresholds is None else self.thresholds
            name = f"{encoder.name} / {encoder.version}"
            if name not in known:
                raise InputError(
                    f"no threshold is known for the encoder {name}; those of {', '.join(known)} "
                    "are, or give thresholds."
                )
            self._loaded = encoder, readers | self.more, known[name]
        return self._loaded


def _rebuilt(encoder, readers, thresholds, more):
    return FaceCheck(encoder, readers=readers, thresholds=thresholds, more=more)


def _read(reader, templates, looks):
    """Return a reader's words on the face in all images, by attribute and moment."""
    if reader.kind == "own":
        said = [reader.read_face(crop_face(image, f.landmarks, OWN_CROP)) for image, f in looks]
        names = [name for name in said[0] if all(name in one for one in said)]
        found = {name: [one[name] for one in said] for name in names}
    else:
        X = templates
        if reader.kind == "pixels":
            X = np.stack([Cropper(**reader.crops).encode(image, f) for image, f in looks])
        found = {name: plain_reading(reading) for name, reading in reader.read(X).items()}
    return {name: dict(zip(MOMENTS, values, strict=True)) for name, values in found.items()}


def _uploaded(image, face):
    """Return what an upload makes of the photo around a face, and where the face is in it."""
    left, top, right, bottom = face.box
    reach = max(right - left, bottom - top)
    corner = np.maximum([left - reach, top - reach], 0).astype(int)
    x, y = corner.tolist()
    near = image[y : int(bottom + reach) + 1, x : int(right + reach) + 1]
    small = upload(near)
    scale = np.array([small.shape[1] / near.shape[1], small.shape[0] / near.shape[0]])

    def moved(points):
        return (np.asarray(points, float).reshape(-1, 2) - corner + 0.5) * scale - 0.5

    box = tuple(moved(face.box).ravel().tolist())
    return small, replace(face, box=box, landmarks=moved(face.landmarks))


def _difference(before, after, face):
    crops = [crop_face(image, face.landmarks, CROP) for image in (before, after)]
    a, b = (np.moveaxis(crop, -1, 0)[None].astype(np.float32) / 255 for crop in crops)
    ratio = float(psnr(a, b)[0])
    return {
        "ssim": round(float(ssim(a, b)[0]), 4),
        "psnr_db": round(ratio, 2) if np.isfinite(ratio) else None,
    }
