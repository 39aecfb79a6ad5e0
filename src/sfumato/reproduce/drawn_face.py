"""A face that is drawn, not photographed: nobody's, so that it can be shown anywhere."""

import numpy as np
from numpy.typing import NDArray

from sfumato.faces.crops import crop_landmarks

SIZE = 128
#: Samples a side of each pixel.
FINE = 4
SKIN, SHADE, HAIR, LIPS, WALL = (
    np.array(colour, np.float64)
    for colour in (
        (224, 180, 154),
        (196, 146, 120),
        (58, 40, 32),
        (184, 118, 104),
        (150, 164, 176),
    )
)
BEARD = HAIR * 0.7 + SKIN * 0.3
WHITE, IRIS, DARK = np.full(3, 240.0), np.array([74.0, 92, 104]), np.full(3, 30.0)


def draw_face(size: int = SIZE) -> NDArray[np.uint8]:
    """Return the drawn face, as :func:`sfumato.faces.crops.crop_face` would cut it out.

    Parameters
    ----------
    size : int, default=128
        Pixels a side.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
    """
    n = size * FINE
    eyes, nose, mouth = _places(n)
    canvas = np.empty((n, n, 3))
    canvas[:] = WALL
    middle, gap = eyes.mean(axis=0), eyes[1, 0] - eyes[0, 0]
    height = mouth[:, 1].mean() - middle[1]
    face = middle + (0, 0.45 * height)
    _fill(canvas, face - (0, 0.75 * height), (1.17 * gap, 1.2 * height), HAIR, soft=0.1)
    _fill(canvas, face + (0, 1.9 * height), (0.6 * gap, 1.1 * height), SHADE)
    _fill(canvas, face + (0, 3.2 * height), (2.2 * gap, 1.3 * height), IRIS)
    _fill(canvas, face, (1.04 * gap, 1.55 * height), SKIN, soft=0.1)
    _fill(canvas, face + (0, 1.05 * height), (0.8 * gap, 0.55 * height), BEARD, soft=0.25)
    for eye, side in zip(eyes, (-1, 1), strict=True):
        _fill(canvas, eye + (0.6 * side * gap / 2, 0.75 * height), (0.25 * gap, 0.3 * height),
              SHADE * 0.4 + SKIN * 0.6, soft=1)  # fmt: skip
        _fill(canvas, eye - (0, 0.3 * height), (0.32 * gap, 0.09 * height), HAIR, soft=0.6)
        _fill(canvas, eye, (0.24 * gap, 0.11 * height), DARK, soft=0.4)
        _fill(canvas, eye + (0, 0.01 * height), (0.22 * gap, 0.085 * height), WHITE, soft=0.2)
        _fill(canvas, eye, (0.085 * gap, 0.085 * height), IRIS, soft=0.2)
        _fill(canvas, eye, (0.04 * gap, 0.04 * height), DARK)
    _fill(canvas, nose - (0, 0.3 * height), (0.1 * gap, 0.35 * height), SHADE * 0.5 + SKIN * 0.5,
          soft=1)  # fmt: skip
    _fill(canvas, nose, (0.2 * gap, 0.09 * height), SHADE, soft=0.8)
    width = mouth[1, 0] - mouth[0, 0]
    _fill(canvas, mouth.mean(axis=0), (0.55 * width, 0.11 * height), LIPS, soft=0.5)
    _fill(canvas, mouth.mean(axis=0), (0.5 * width, 0.02 * height), LIPS * 0.5, soft=0.5)
    fine = canvas.reshape(size, FINE, size, FINE, 3).mean(axis=(1, 3))
    return np.clip(np.rint(fine), 0, 255).astype(np.uint8)


def _places(n):
    """Return both eyes, the nose's tip and both corners of the mouth, in fine pixels."""
    points = crop_landmarks(n)
    return points[:2], points[2], points[3:]


def _fill(canvas, centre, radii, colour, *, soft=0.05):
    """Paint an ellipse whose edge fades out over the share ``soft`` of its radius."""
    y, x = np.ogrid[: canvas.shape[0], : canvas.shape[1]]
    far = np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1])
    share = np.clip((1 - far) / soft, 0, 1)[..., None]
    canvas[:] = canvas * (1 - share) + colour * share
