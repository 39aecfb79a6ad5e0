"""What becomes of a photo that is uploaded: made smaller, and compressed again."""

import io

import numpy as np
from numpy.typing import NDArray

from sfumato.validation import need

#: Of its sides, and of the JPEG file.
SHARE, QUALITY = 0.5, 75


def upload(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a photo at half its size after a JPEG of quality 75.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3), uint8

    Returns
    -------
    ndarray of shape (n_rows, n_columns, 3), uint8
        Half as many of both, at least 1.
    """
    pictures = need("PIL.Image", "faces")
    height, width = (max(1, round(SHARE * side)) for side in image.shape[:2])
    small = pictures.fromarray(image).resize((width, height), pictures.Resampling.BICUBIC)
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY)
    return np.array(pictures.open(content, formats=("JPEG",)))
