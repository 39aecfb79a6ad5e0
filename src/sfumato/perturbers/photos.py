"""Perturb the faces of a whole photo and leave every other pixel as it is."""

import zlib

import numpy as np

from sfumato.errors import InputError
from sfumato.faces.crops import crop_face, crop_matrix
from sfumato.validation import need

CROP_SIZES = (64, 128, 256, 512)
MIN_FACE = 40
#: Share of a crop's side over which the change fades in from each border.
FADE = 1 / 8


def choose_faces(faces, face=None):
    """Return which faces to protect, and which cannot be, with the reason.

    Parameters
    ----------
    faces : list of Face
        The largest first, as detectors give them.
    face : int, optional
        Protect this one alone; 0 is the largest.

    Returns
    -------
    chosen : list of (int, Face)
    too_small : dict of int to str
        Faces narrower than 40 pixels.

    Raises
    ------
    InputError
        If there is no face, none of this number, or none that is large enough.
    """
    if not faces:
        raise InputError("no face found")
    if face is not None and not 0 <= face < len(faces):
        raise InputError(
            f"face {face} is asked for, the photo has {len(faces)} (numbered from 0, the largest)"
        )
    numbers = range(len(faces)) if face is None else [face]
    too_small = {}
    for number in numbers:
        left, _, right, _ = faces[number].box
        if right - left < MIN_FACE:
            too_small[number] = (
                f"the face is {right - left:.0f} pixels wide, at least {MIN_FACE} are needed"
            )
    chosen = [(number, faces[number]) for number in numbers if number not in too_small]
    if not chosen:
        raise InputError(next(iter(too_small.values())))
    return chosen, too_small


def protect_face(photo, image, face, perturber, **options):
    """Perturb one face: add the change of its crop to the photo, in place.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), uint8
        Changed: the photo to be, in which other faces may be perturbed already.
    image : ndarray of shape (height, width, 3), uint8
        The photo as it was.
    face : Face
        Only its landmarks are used.
    perturber : Perturber
    **options
        Of :meth:`~sfumato.perturbers.perturber.Perturber.transform`, such as ``hide``.

    Returns
    -------
    int
        Pixels a side of the crop.

    Notes
    -----
    The crop has the smallest size of 64, 128, 256 and 512 that loses nothing of the photo; of
    larger faces the change is computed at 512 and is as fine as that. Classes that are left to
    chance are drawn from the perturber's seed and the face's pixels, so that they do not depend
    on the other photos, and that faces do not all get the same one.
    """
    size = crop_size(face.landmarks)
    crop = crop_face(image, face.landmarks, size)
    planes = np.moveaxis(crop, -1, 0)[None].astype(np.float32) / 255
    seed = [perturber.seed, zlib.crc32(crop.tobytes())]
    change = perturber.transform(planes, seed=seed, **options) - planes
    change = np.moveaxis(change[0], 0, -1) * fade(size)[..., None]
    add_change(photo, change * 255, crop_matrix(face.landmarks, size))
    return size


def crop_size(landmarks):
    """Return the smallest of :data:`CROP_SIZES` that is at least the crop's size in the photo."""
    side = CROP_SIZES[-1] / _scale(crop_matrix(landmarks, CROP_SIZES[-1]))
    return next((size for size in CROP_SIZES if size >= side), CROP_SIZES[-1])


def _scale(matrix):
    return np.sqrt(abs(np.linalg.det(matrix[:, :2])))


def fade(size):
    """Return how much of the change each pixel of a crop gets.

    Parameters
    ----------
    size : int
        Pixels a side.

    Returns
    -------
    ndarray of shape (size, size), float32
        1 in the middle, exactly 0 on the outermost pixels, and between them the cubic that is
        level at both ends, over an eighth of the side.
    """
    pixel = np.arange(size)
    depth = np.minimum(pixel, size - 1 - pixel) / (size * FADE)
    depth = np.minimum(depth, 1)
    edge = depth**2 * (3 - 2 * depth)
    return np.outer(edge, edge).astype(np.float32)


def add_change(photo, change, matrix):
    """Add a crop's change to the photo it was cut from, rounded, in place.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), uint8
    change : ndarray of shape (size, size, 3), float32
        In [-255, 255], 0 on the outermost pixels.
    matrix : ndarray of shape (2, 3)
        From photo to crop coordinates. What of the crop lies outside the photo is lost.
    """
    size = len(change)
    corners = np.array([(0, 0, 1), (size - 1, 0, 1), (0, size - 1, 1), (size - 1, size - 1, 1)])
    spots = corners @ np.linalg.inv(np.vstack([matrix, (0, 0, 1)])).T
    height, width = photo.shape[:2]
    left, top = np.maximum(np.floor(spots[:, :2].min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(spots[:, :2].max(axis=0)) + 1, (width, height)).astype(int)
    if right <= left or bottom <= top:
        return
    cv2 = need("cv2", "faces")
    moved = matrix @ np.array([(1, 0, left), (0, 1, top), (0, 0, 1)])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(change, moved, (int(right - left), int(bottom - top)), flags=how)
    part += photo[top:bottom, left:right]
    photo[top:bottom, left:right] = np.clip(np.rint(part, out=part), 0, 255)
