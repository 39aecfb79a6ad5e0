"""Other views of a photo: scaled, with a border, turned by quarters; and the way back."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.validation import need

#: A photo is enlarged at most so many times; beyond, there is nothing to see.
MAX_ENLARGEMENT = 2


@dataclass(frozen=True)
class View:
    """How a photo is shown to a detector.

    Parameters
    ----------
    side : int
        Longest side of the scaled photo in pixels, without the border.
    border : float, default=0
        Black border on every side, as a share of ``side``.
    quarter_turns : int, default=0
        By 90 degrees, counterclockwise.
    """

    side: int
    border: float = 0.0
    quarter_turns: int = 0

    def show(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Return the view, and the matrix of shape (3, 3) from its coordinates to the photo's."""
        cv2 = need("cv2", "faces")
        longest = max(image.shape[:2])
        scale = min(self.side / longest, MAX_ENLARGEMENT)
        size = [max(1, round(scale * length)) for length in image.shape[1::-1]]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        view = cv2.resize(image, size, interpolation=how)
        border = round(self.border * max(size))
        view = cv2.copyMakeBorder(view, *[border] * 4, cv2.BORDER_CONSTANT)
        back = np.array([(1, 0, -border), (0, 1, -border), (0, 0, scale)]) / scale
        back = back @ turn_matrix(view.shape, self.quarter_turns)
        return np.ascontiguousarray(np.rot90(view, self.quarter_turns)), back

    def find(self, detector: Any, image: NDArray[np.uint8]) -> list[Any]:
        """Return the faces that a detector finds in the view, in the photo's coordinates."""
        view, back = self.show(image)
        turns = self.quarter_turns
        return [replace(_moved(f, back), quarter_turns=turns) for f in detector.detect(view)]


def turn_matrix(shape: tuple[int, ...], quarter_turns: int) -> NDArray[np.float64]:
    """Return the matrix of shape (3, 3) from a turned image's coordinates to the image's.

    Parameters
    ----------
    shape : tuple of int
        Of the image as it is: height, width, ...
    quarter_turns : int
        As for ``numpy.rot90``: counterclockwise.
    """
    height, width = shape[:2]
    found = np.eye(3)
    for _ in range(quarter_turns % 4):
        found = found @ np.array([(0, -1, width - 1), (1, 0, 0), (0, 0, 1)], np.float64)
        height, width = width, height
    return found


def show_upright(image: NDArray[np.uint8], face: Any) -> tuple[NDArray[np.uint8], Any]:
    """Return the photo turned so that a face is upright, and the face in it."""
    if not face.quarter_turns:
        return image, face
    matrix = np.linalg.inv(turn_matrix(image.shape, face.quarter_turns))
    turned = np.ascontiguousarray(np.rot90(image, face.quarter_turns))
    return turned, replace(_moved(face, matrix), quarter_turns=0)


def _moved(face, matrix):
    """Return a face whose box and landmarks went through a matrix of shape (3, 3)."""
    left, top, right, bottom = face.box
    corners = np.array([(left, top), (right, bottom)]) @ matrix[:2, :2].T + matrix[:2, 2]
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    landmarks = face.landmarks @ matrix[:2, :2].T + matrix[:2, 2]
    return replace(face, box=(left, top, right, bottom), landmarks=landmarks)
