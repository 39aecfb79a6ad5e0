"""Gender on pictures that the SAN family made: readers' errors and an unseen matcher."""

from collections.abc import Callable
from typing import Any

from sfumato.audit.pictures import attribute_figures, look, pairing_figures
from sfumato.metrics.image import ssim
from sfumato.reproduce.outputs import ORIGINAL, machines
from sfumato.reproduce.pictures import tried_faces

GENDER, PAIRING = "gender", "P-P TMR@1e-2"
NOTES = [
    "EER of readers that no SAN saw (0.5: not read; above: the wrong way round), on CelebA's test "
    "people, LFW and held-out faces of UTKFace; TMR of dlib's ResNet at FMR 1e-2, protected with "
    "protected.",
]


def gender_outputs(context: Any, versions: dict[str, Callable[..., Any]]) -> dict[Any, Any]:
    """Return the figures of several outputs, kept in the cache one by one.

    Parameters
    ----------
    context : Context
    versions : dict of str to callable
        ``version(images, labels)`` gives the protected pictures; ``labels`` has the gender.

    Returns
    -------
    dict of (str, str, str) to float
        By data set, version and column.
    """
    found: dict = {}
    faces = tried_faces(context)
    for name, version in {ORIGINAL: lambda images, labels: images, **versions}.items():
        context.say(name)
        cell = context.once(name, lambda version=version: _measured(faces, version))
        found |= {(where, name, column): value for (where, column), value in cell.items()}
    return found


def _measured(faces, version):
    found: dict = {}
    for where, own in faces.items():
        labels = {GENDER: own.labels[GENDER].astype(str)}
        images = version(own.images, labels)
        seen = look(images, *machines())
        for (reader, what), value in attribute_figures(seen, labels).items():
            found[where, f"{reader} {what}"] = value
        if own.identity is not None:
            pairs = pairing_figures(seen, seen, own.identity)
            found[where, PAIRING] = next(v for (_, what), v in pairs.items() if what == PAIRING)
        found[where, "SSIM"] = float(ssim(own.images, images).mean())
    return found
