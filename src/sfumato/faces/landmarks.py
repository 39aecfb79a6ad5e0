"""The 68 landmarks of faces in aligned crops, and warps that give a face another shape."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE, hog_box, load_predictor
from sfumato.faces.crops import ZOOM
from sfumato.validation import need

N_LANDMARKS = 68
#: Points of the 68: the brows, the upper end of the nose's bridge, its lower edge.
BROWS, BRIDGE, NOSE = slice(17, 27), 27, 33
# dlib rounds to whole pixels, so that it is given pictures of at least this side.
LEAST_SIDE = 256
# Points on each side of the picture that stay where they are, corners counted.
BORDER = 5
# Landmarks that enclose less of a picture are no face.
LEAST_AREA = 0.01


def find_landmarks(images: NDArray[np.uint8], zoom: float = ZOOM) -> NDArray[Any]:
    """Return dlib's 68 landmarks of aligned crops.

    The face is not looked for: :func:`~sfumato.faces.crops.crop_face` has put it at a known
    place. dlib's predictor [1]_ therefore always answers, on a picture without a face too.

    Parameters
    ----------
    images : ndarray of shape (n_images, size, size, 3), uint8
    zoom : float, default=0.72
        With which the crops were made.

    Returns
    -------
    ndarray of shape (n_images, 68, 2)
        x and y in pixels, pixel centres being integers. May lie outside the picture.

    Raises
    ------
    MissingExtraError
        Without the extra ``faces``.

    References
    ----------
    .. [1] Kazemi, Sullivan, "One millisecond face alignment with an ensemble of regression
       trees", CVPR 2014.
    """
    cv2, dlib, predict = need("cv2", "faces"), need("dlib", "faces"), _predictor()
    size = images.shape[1]
    side = max(size, LEAST_SIDE)
    box = dlib.rectangle(*(round(float(edge)) for edge in face_box(side, zoom)))
    found = np.empty((len(images), N_LANDMARKS, 2))
    for points, image in zip(found, images, strict=True):
        image = np.ascontiguousarray(image)
        if side != size:
            image = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        points[:] = [(point.x, point.y) for point in predict(image, box).parts()]
    return (found + 0.5) * (size / side) - 0.5


def face_box(size: int, zoom: float = ZOOM) -> tuple[float, ...]:
    """Return the box that dlib's detector would give the face of a crop.

    Parameters
    ----------
    size : int
    zoom : float, default=0.72

    Returns
    -------
    tuple of float
        Left, top, right, bottom in pixels.
    """
    middle = (size - 1) / 2
    return hog_box((ARCFACE * (size / 112) - middle) * zoom + middle)


@functools.cache
def _predictor():
    return load_predictor(N_LANDMARKS)


def check_shapes(shapes: ArrayLike, size: int, name: str = "landmarks") -> Any:
    """Return landmarks as finite floats that enclose an area.

    Parameters
    ----------
    shapes : array-like of shape (n_images, n_landmarks, 2)
    size : int
        Pixels a side of the pictures.
    name : str, default="landmarks"
        For the message.

    Raises
    ------
    InputError
        For another shape, a NaN, or landmarks that enclose less than a hundredth of the
        picture, such as coinciding ones.
    """
    cv2 = need("cv2", "faces")
    shapes = np.asarray(shapes, np.float64)
    if shapes.ndim != 3 or shapes.shape[2] != 2 or shapes.shape[1] < 3:
        raise InputError(f"{name} must have shape (n_images, n_landmarks, 2), got {shapes.shape}.")
    for row, shape in enumerate(shapes):
        if not np.isfinite(shape).all():
            raise InputError(f"{name} must be finite, row {row} has a NaN or infinite value.")
        area = cv2.contourArea(cv2.convexHull(shape.astype(np.float32)))
        if area < LEAST_AREA * size**2:
            raise InputError(
                f"{name}, row {row}: they enclose {area:.3g} square pixels, no face; leave "
                "the picture out."
            )
    return shapes


def warp_faces(
    images: Sequence[NDArray[Any]], shapes: Sequence[NDArray[Any]], target: NDArray[Any]
) -> NDArray[Any]:
    """Return pictures on which the landmarks lie at other places.

    Piecewise affine over the Delaunay mesh of the target's landmarks and of points on the
    picture's border, which stay. The mesh of the target has no folds, whatever the landmarks.

    Parameters
    ----------
    images : sequence of ndarray of shape (size, size, n_channels), uint8 or float32
        All of one size.
    shapes : array-like of shape (n_images, n_landmarks, 2)
        Their landmarks.
    target : array-like of shape (n_landmarks, 2)
        Where the landmarks are to lie, on all pictures.

    Returns
    -------
    ndarray of shape (n_images, size, size, n_channels)
        Of the type of ``images``; bilinear.
    """
    cv2 = need("cv2", "faces")
    size = images[0].shape[0]
    border = _border(size)
    mesh = np.vstack([target, border])
    sources = [np.vstack([shape, border]) for shape in shapes]
    # For every pixel of the result, where it lies on each of the pictures.
    places = LinearNDInterpolator(Delaunay(mesh), np.hstack(sources))(_pixels(size))
    places = places.reshape(size, size, len(sources), 2).astype(np.float32)
    return np.stack(
        [
            cv2.remap(
                np.ascontiguousarray(image),
                np.ascontiguousarray(places[:, :, n]),
                None,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for n, image in enumerate(images)
        ]
    )


def _border(size):
    """Return points one pixel outside the border, so that the mesh covers every pixel."""
    steps = np.linspace(-1, size, BORDER)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    return grid[((grid == -1) | (grid == size)).any(axis=1)]


def _pixels(size):
    steps = np.arange(size, dtype=np.float64)
    return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)


def face_mask(shape: NDArray[Any], size: int, softness: float = 0.03) -> NDArray[np.float32]:
    """Return 1 on the face with its forehead, 0 elsewhere, with a soft edge.

    Parameters
    ----------
    shape : ndarray of shape (68, 2)
    size : int
    softness : float, default=0.03
        Standard deviation of the edge, as a share of the side.

    Returns
    -------
    ndarray of shape (size, size), float32
        In [0, 1].
    """
    cv2 = need("cv2", "faces")
    # dlib's landmarks end at the brows. Half a nose above them is forehead, more is often hair.
    forehead = shape[BROWS] + (shape[BRIDGE] - shape[NOSE]) / 2
    hull = cv2.convexHull(np.vstack([shape, forehead]).astype(np.float32))
    mask = np.zeros((size, size), np.float32)
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 1.0)
    return cv2.GaussianBlur(mask, (0, 0), softness * size).clip(0, 1)
