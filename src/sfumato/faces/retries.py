"""Search a photo again before it is called faceless: a face that is missed stays readable."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.faces.detect import Face
from sfumato.faces.views import View

#: A wide border for tight crops, the usual cause; small and large; turned.
VIEWS = (
    View(320, border=0.5),
    View(640, border=0.1),
    View(320, border=0.25, quarter_turns=1),
    View(320, border=0.25, quarter_turns=3),
    View(320, border=0.25, quarter_turns=2),
)


class RetryingDetector:
    """Ask a detector; where it finds nothing, show it other views, then ask others.

    What the detector finds at its first try is returned as it is. Of several views that show
    faces, the one with the highest score counts: a turned face may look like a poor upright one.

    Parameters
    ----------
    first : Detector
    *others : Detector
        Asked in this order, each with the photo itself and with its :data:`VIEWS`.
    """

    def __init__(self, first: Any, *others: Any) -> None:
        self.first, self.others = first, others
        self.name, self.version = first.name, first.version
        self.landmarks = getattr(first, "landmarks", "its own landmarks")
        files = [getattr(each, "files", (each.name,)) for each in (first, *others)]
        self.files = tuple(name for names in files for name in names)
        retried = [f"{other.name} / {other.version}" for other in others]
        self.parameters = getattr(first, "parameters", {}) | {"retries": len(VIEWS)}
        self.parameters |= {"then": retried} if retried else {}

    def __reduce__(self):
        return functools.partial(type(self), self.first, *self.others), ()

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of an RGB image, largest first, each in the image's own coordinates.

        Parameters
        ----------
        image : ndarray of shape (height, width, 3), uint8

        Returns
        -------
        list of Face
            ``quarter_turns`` says how to turn the image so that the face is upright.
        """
        for detector in (self.first, *self.others):
            if faces := detector.detect(image):
                return faces
            views = [faces for view in VIEWS if (faces := view.find(detector, image))]
            if views:
                return max(views, key=_best_score)
        return []


def _best_score(faces):
    return max(face.score for face in faces)
