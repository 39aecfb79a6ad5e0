"""Cut a face out of a photo the way an encoder was trained; outside the photo is black."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import NOT_NEGATIVE, POSITIVE_INT, check_argument
from sfumato.errors import InputError
from sfumato.faces.views import show_upright
from sfumato.validation import need

#: Where ArcFace's training data has the five landmarks in its 112 x 112 crops.
ARCFACE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
ARCFACE.setflags(write=False)
# The box that dlib's HOG detector gives, in the coordinates of that template: medians over
# the 13,141 LFW photos with one HOG face, against YuNet's landmarks (centre x taken as 56).
HOG_CENTRE, HOG_SIDE = np.array([56.0, 73.2]), 91.2
# Name of dlib's HOG detector, from whose box its landmark predictors start.
HOG = "dlib-hog"
# Where dlib's five points (outer and inner corner of the right eye of the image, then of the left
# one, base of the nose) lie in that template: medians over 3,919 CelebA photos, likewise.
DLIB_FIVE = np.array(
    [(81.32, 51.71), (66.42, 52.92), (29.79, 52.45), (44.60, 53.25), (55.60, 80.85)]
)
DLIB_FIVE.setflags(write=False)
# Where dlib puts these five points in its chips with a padding of 0.25, as shares of a side
# (King, dlib, image_transforms/interpolation.h: get_face_chip_details).
DLIB_CHIP = (
    np.array(
        [
            (0.8595674595992, 0.2134981538014),
            (0.6460604764104, 0.2289674387677),
            (0.1205750620789, 0.2137274526848),
            (0.3340850613712, 0.2290642403242),
            (0.4901123135679, 0.6277975316475),
        ]
    )
    + 0.25
) / 1.5
DLIB_CHIP.setflags(write=False)
# OpenCV 4 refuses to warp sides that do not fit into 16 bits.
MAX_WARP = 32_000


def similarity(source: ArrayLike, target: ArrayLike) -> NDArray[Any]:
    """Return the rotation, uniform scale and shift that best maps points onto points.

    Parameters
    ----------
    source, target : array-like of shape (n_points, 2)

    Returns
    -------
    ndarray of shape (2, 3)
        ``M`` such that ``M @ (x, y, 1)`` has the least squared distance to the target;
        never a reflection [1]_.

    Raises
    ------
    InputError
        If the shapes differ, a value is not finite or all source points coincide.

    References
    ----------
    .. [1] Umeyama, "Least-squares estimation of transformation parameters between two point
       patterns", TPAMI 13(4), 1991, eq. 40-43.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise InputError(
            f"landmarks must have shape ({len(target)}, 2), got {source.shape} against "
            f"{target.shape}."
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("landmarks must be finite, got a NaN or infinite value.")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    variance = ((source - source_mean) ** 2).sum() / len(source)
    if variance == 0:
        raise InputError("landmarks all coincide; no transform is defined.")
    covariance = (target - target_mean).T @ (source - source_mean) / len(source)
    u, d, vt = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * signs) @ vt
    scale = (d * signs).sum() / variance
    shift = target_mean - scale * rotation @ source_mean
    return np.column_stack([scale * rotation, shift])


def landmarks_of_five(points: ArrayLike) -> NDArray[Any]:
    """Return the five landmarks of ArcFace's template from the five points that dlib finds.

    Parameters
    ----------
    points : array-like of shape (5, 2)
        Outer and inner corner of the right eye of the image, then of the left one, and the base
        of the nose, as dlib's 5-point predictor gives them.

    Returns
    -------
    ndarray of shape (5, 2)
        As in :class:`~sfumato.faces.detect.Face`. They align a face as the points do; the mouth
        is where a face of the usual proportions has it, not where it was seen.
    """
    matrix = similarity(DLIB_FIVE, points)
    return np.asarray(ARCFACE @ matrix[:, :2].T + matrix[:, 2])


def warp(image: NDArray[np.uint8], matrix: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Return the ``size`` x ``size`` view of an image under ``matrix``, black outside.

    A view at less than half the photo's scale is averaged down first, so that it does not
    alias.

    Parameters
    ----------
    image : ndarray of shape (height, width, n_channels), uint8
    matrix : ndarray of shape (2, 3)
        From photo to view coordinates; pixel centres are integers.
    size : int

    Returns
    -------
    ndarray of shape (size, size, n_channels), uint8
    """
    cv2 = need("cv2", "faces")
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale == 0:
        raise InputError("the transform has scale 0; the landmarks are degenerate.")
    factor = max(int(1 / scale), 1)
    if factor > 1 or max(image.shape[:2]) > MAX_WARP:
        image, matrix = _averaged(cv2, image, matrix, size, factor)
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)


def _averaged(cv2, image, matrix, size, factor):
    """Return the part of the photo under the view, ``factor`` times smaller, and its matrix."""
    corners = np.array([(0, 0, 1), (size, 0, 1), (0, size, 1), (size, size, 1)], np.float64)
    inverse = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))
    spots = (corners @ inverse.T)[:, :2]
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(spots.min(axis=0)) - factor, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(spots.max(axis=0)) + factor, 1, (width, height))
    left, top, right, bottom = int(left), int(top), int(right), int(bottom)
    part = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    more = -part.shape[0] % factor, -part.shape[1] % factor
    part = cv2.copyMakeBorder(part, 0, more[0], 0, more[1], cv2.BORDER_CONSTANT)
    small = cv2.resize(
        part, (part.shape[1] // factor, part.shape[0] // factor), interpolation=cv2.INTER_AREA
    )
    # The centre of a small pixel is the middle of its factor x factor block.
    middle = (factor - 1) / 2
    back = np.array([(factor, 0, left + middle), (0, factor, top + middle), (0, 0, 1)])
    return small.reshape(*small.shape[:2], -1), matrix @ back


def align_arcface(
    image: NDArray[np.uint8], landmarks: ArrayLike, size: int = 112
) -> NDArray[np.uint8]:
    """Return the face as ArcFace and its kin expect it.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3), uint8
    landmarks : array-like of shape (5, 2)
        As in :class:`~sfumato.faces.detect.Face`.
    size : int, default=112

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        The similarity transform that brings the landmarks nearest to :data:`ARCFACE`.
    """
    return warp(image, similarity(landmarks, ARCFACE * (size / 112)), size)


def hog_box(landmarks: ArrayLike) -> tuple[float, ...]:
    """Return the square box that dlib's HOG detector would give a face with these landmarks.

    Parameters
    ----------
    landmarks : array-like of shape (5, 2)

    Returns
    -------
    tuple of float
        Left, top, right, bottom.
    """
    matrix = similarity(ARCFACE, landmarks)
    centre = matrix @ (*HOG_CENTRE, 1)
    half = HOG_SIDE * np.sqrt(np.linalg.det(matrix[:, :2])) / 2
    return (*(centre - half), *(centre + half))


def align_dlib(
    image: NDArray[np.uint8],
    face: Any,
    size: int = 150,
    padding: float = 0.25,
    *,
    predictor: Any = None,
) -> NDArray[np.uint8]:
    """Return the face as dlib's ResNet expects it: dlib's own chip from five points.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3), uint8
    face : Face
        From any detector: dlib's predictor starts from the box of its own HOG detector, or
        else from :func:`hog_box` of the landmarks.
    size : int, default=150
    padding : float, default=0.25
        As in ``dlib.get_face_chip``.
    predictor : dlib.shape_predictor, optional
        The 5-point one; loaded when absent.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
    """
    dlib = need("dlib", "faces")
    predictor = predictor or load_predictor()
    image, face = show_upright(image, face)
    box = face.box if face.detector == HOG else hog_box(face.landmarks)
    box = dlib.rectangle(*(round(float(value)) for value in box))
    return dlib.get_face_chip(image, predictor(image, box), size=size, padding=padding)


def predictor_path(n_landmarks: int = 5) -> str:
    """Return the file of dlib's predictor of 5 or 68 landmarks, from the wheel of its models."""
    models = need("face_recognition_models", "faces")
    if n_landmarks == 68:
        return models.pose_predictor_model_location()
    return models.pose_predictor_five_point_model_location()


def load_predictor(n_landmarks: int = 5) -> Any:
    """Return dlib's predictor of 5 or 68 landmarks."""
    return need("dlib", "faces").shape_predictor(predictor_path(n_landmarks))


def crop_box(
    image: NDArray[np.uint8], box: tuple[float, ...], size: int = 224, margin: float = 0.0
) -> NDArray[np.uint8]:
    """Return the square around a detector's box, as ResNet-50 of VGGFace2 is fed.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3), uint8
    box : tuple of float
        Left, top, right, bottom in pixels.
    size : int, default=224
    margin : float >= 0, default=0
        Added on every side, as a share of the box's longer side. The papers name none.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8

    Notes
    -----
    The square has the box's centre and its longer side, so that faces keep their shape.
    """
    left, top, right, bottom = (float(value) for value in box)
    if not (right > left and bottom > top):
        raise InputError(f"box must have left < right and top < bottom, got {tuple(box)}.")
    check_argument(margin, NOT_NEGATIVE, "margin")
    check_argument(size, POSITIVE_INT, "size")
    side = max(right - left, bottom - top) * (1 + 2 * margin)
    scale = size / side
    corner = np.array([left + right - side, top + bottom - side]) / 2
    # A box counts pixel edges, a warp pixel centres: half a pixel before and after.
    shift = scale * (0.5 - corner) - 0.5
    return warp(image, np.array([(scale, 0, shift[0]), (0, scale, shift[1])]), size)
