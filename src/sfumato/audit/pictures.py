"""What machines say of cut-out faces, before and after a perturber: readers and matchers."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato.errors import InputError
from sfumato.faces.crops import ZOOM, crop_landmarks
from sfumato.faces.detect import Face
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.metrics.verification import eer, tmr_at_fmr
from sfumato.perturbers.images import check_images

#: The positive class of each attribute of two classes; scores say how likely it is.
POSITIVE = {"gender": ("female", "male"), "race": ("black", "white")}
#: What readers call an attribute, where they do so differently.
ALSO = {"race": ("race", "ethnicity"), "gender": ("gender",), "age": ("age_years", "age")}
PAIRINGS = ("O-O", "P-P", "O-P", "P-O")
FMR = {"TMR@1e-2": 1e-2, "TMR@1e-3": 1e-3}


@dataclass(frozen=True)
class Seen:
    """What machines made of some faces.

    Parameters
    ----------
    scores : dict of (str, str) to ndarray of shape (n_faces,)
        By reader and attribute: the probability of the positive class against the other, or
        the age in years.
    templates : dict of str to ndarray of shape (n_faces, n_features)
        By encoder.
    metrics : dict of str to str
        How an encoder's templates are compared.
    """

    scores: dict = field(default_factory=dict)
    templates: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)


def look(
    images: ArrayLike, readers: dict[str, Any], encoders: dict[str, Any], *, zoom: float = ZOOM
) -> Seen:
    """Let readers and encoders look at cut-out faces.

    Parameters
    ----------
    images : array-like of shape (n_faces, 3, size, size)
        In [0, 1], as :func:`sfumato.faces.crops.crop_face` cuts; their landmarks are known, so
        nothing is detected again.
    readers : dict of str to TemplateReader or PixelReader
        By name; one of templates is named as the encoder whose templates it reads.
    encoders : dict of str to Encoder
    zoom : float, default=0.72
        Of the crops.

    Returns
    -------
    Seen
    """
    pixels = to_bytes(images)
    face = _face(pixels.shape[1], zoom)
    templates = {
        name: np.stack([encoder.encode(image, face) for image in pixels])
        for name, encoder in encoders.items()
    }
    scores = {}
    for name, reader in readers.items():
        if reader.kind == "templates" and name not in templates:
            raise InputError(f"the reader {name} needs the encoder {name}; give that too.")
        found = reader.read(pixels if reader.kind == "pixels" else templates[name])
        for attribute, names in ALSO.items():
            for own in (n for n in names if n in found):
                scores[name, attribute] = _scores(found[own], attribute)
    return Seen(scores, templates, {name: e.metric for name, e in encoders.items()})


def to_bytes(images: Any) -> Any:
    """Return pictures in [0, 1] as uint8 of shape (n_images, height, width, 3)."""
    planes = check_images(images).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.rint(255 * planes).astype(np.uint8))


def _face(size, zoom):
    return Face((0.0, 0.0, float(size), float(size)), 1.0, crop_landmarks(size, zoom), "crop")


def _scores(reading, attribute):
    if attribute == "age":
        return reading.label.astype(float)
    classes = list(reading.task.classes)
    low, high = (reading.probabilities[:, classes.index(c)] for c in POSITIVE[attribute])
    return high / (low + high).clip(1e-12)


def attribute_figures(seen: Seen, labels: dict[str, ArrayLike]) -> Any:
    """Return how well each reader reads each attribute.

    Parameters
    ----------
    seen : Seen
    labels : dict of str to array-like of shape (n_faces,)
        ``gender``, ``race`` (others than black and white are left out) and ``age`` in years, as
        far as known.

    Returns
    -------
    dict of (str, str) to float
        By reader and ``"gender EER"``, ``"race EER"`` (above 0.5 where the answers are the
        wrong way round) or ``"age MAE"``.
    """
    found = {}
    for (reader, attribute), scores in seen.scores.items():
        if attribute not in labels:
            continue
        truth = np.asarray(labels[attribute])
        if attribute == "age":
            found[reader, "age MAE"] = float(np.abs(scores - truth.astype(float)).mean())
        else:
            low, high = (truth == name for name in POSITIVE[attribute])
            found[reader, f"{attribute} EER"] = eer(scores[high], scores[low]).value
    return found


def pairing_figures(original: Seen, protected: Seen, identity: ArrayLike, *, seed: int = 0) -> Any:
    """Return how well each encoder matches, in the four pairings.

    Parameters
    ----------
    original, protected : Seen
        Of the same faces.
    identity : array-like of shape (n_faces,)

    Returns
    -------
    dict of (str, str) to float
        By encoder and such as ``"O-P TMR@1e-2"``: originals against protected ones.
    """
    pairs, found = all_pairs(identity, seed=seed), {}
    for encoder, metric in original.metrics.items():
        sides = {"O": original.templates[encoder], "P": protected.templates[encoder]}
        for name in PAIRINGS:
            a, b = name.split("-")
            scores = all_vs_all(sides[a], None, metric, other=sides[b], pairs=pairs)
            for column, fmr in FMR.items():
                value = tmr_at_fmr(scores.genuine, scores.impostor, fmr)
                found[encoder, f"{name} {column}"] = value
    return found
