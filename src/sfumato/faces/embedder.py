"""From a photo to the embeddings of its faces, or why there are none."""

from typing import Any

import numpy as np

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.faces.photos import read_photo
from sfumato.outcomes import Reject, reject_of

NO_IMAGE = Reject("the row has no image")


class FaceEmbedder:
    """Decode, detect, align and encode one photo; picklable if detector and encoder are."""

    def __init__(self, detector: Any, encoder: Any, *, all_faces: Any, max_pixels: Any) -> None:
        check_argument(max_pixels, POSITIVE_INT, "max_pixels")
        self.detector, self.encoder = detector, encoder
        self.all_faces, self.max_pixels = all_faces, max_pixels

    def __call__(self, photo: str | None) -> Any:
        """Return embeddings of shape (n_faces, dimension), largest face first, or a Reject.

        Parameters
        ----------
        photo : str, bytes or None
        """
        if photo is None:
            return NO_IMAGE
        try:
            image = read_photo(photo, max_pixels=self.max_pixels)
            faces = self.detector.detect(image)
            if not faces:
                return Reject("no face found")
            chosen = faces if self.all_faces else faces[:1]
            X = np.stack([self.encoder.encode(image, face) for face in chosen])
        # One photo's failure must not end the other million.
        except Exception as error:
            return reject_of(error)
        if not np.isfinite(X).all():
            return Reject("the encoder gave a NaN or infinite value")
        return X
