"""Perturb the faces of a whole photo and leave every other pixel as it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.faces.crops import crop_matrix
from sfumato.validation import need

CROP_SIZES = (64, 128, 256, 512)
MIN_FACE = 40
#: Share of a crop's side over which the change fades in from each border.
FADE = 1 / 8
#: Of a photo that are changed at once: each takes about 80 bytes meanwhile, and a face may fill
#: a photo of 50 megapixels.
BAND_PIXELS = 2_000_000
# Pixels beyond a region that a cubic curve between its pixels needs.
CUBIC_REACH = 4


def choose_faces(
    faces: Sequence[Any], face: int | None = None
) -> tuple[list[Any], dict[int, str]]:
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


@dataclass(frozen=True, eq=False)
class Place:
    """Where a face's crop lies in its photo.

    Parameters
    ----------
    size : int
        Pixels a side of the crop.
    matrix : ndarray of shape (2, 3)
        From photo to crop coordinates.
    """

    size: int
    matrix: np.ndarray

    @classmethod
    def of(cls, landmarks: Any, size: int | None = None) -> Any:
        """Return the place of a face, at a size or that of :func:`crop_size`."""
        size = crop_size(landmarks) if size is None else size
        return cls(size, crop_matrix(landmarks, size))

    def region(self, shape: Any) -> tuple[Any, ...]:
        """Return the rows and columns of the photo around the crop, two slices, maybe empty."""
        last = self.size - 1
        corners = np.array([(0, 0, 1), (last, 0, 1), (0, last, 1), (last, last, 1)])
        spots = (corners @ np.linalg.inv(np.vstack([self.matrix, (0, 0, 1)])).T)[:, :2]
        height, width = shape[:2]
        left, top = np.maximum(np.floor(spots.min(axis=0)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(spots.max(axis=0)) + 1, (width, height)).astype(int)
        return slice(int(top), max(int(bottom), int(top))), slice(
            int(left), max(int(right), int(left))
        )

    def to_photo(self, values: Any, region: Any) -> Any:
        """Return values of the crop's pixels, float32, at the pixels of a region; 0 beyond.

        Between the crop's pixels they are linear.
        """
        cv2 = need("cv2", "faces")
        rows, columns = region
        moved = self.matrix @ np.array([(1, 0, columns.start), (0, 1, rows.start), (0, 0, 1)])
        size = columns.stop - columns.start, rows.stop - rows.start
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(values, moved, size, flags=how)

    def fields_at(self, fields: NDArray[np.float32], region: Any) -> NDArray[np.float32]:
        """Return fields over the crop at the pixels of a region, of shape (n, rows, columns).

        Cubic between the crop's pixels, 0 beyond. OpenCV would round places to 32nds of a crop's
        pixel, steps of half a pixel in a large photo; torch does not.
        """
        torch = need("torch", "deep")
        rows, columns = (torch.arange(part.start, part.stop).float() for part in region)
        matrix = torch.from_numpy(self.matrix.astype(np.float32))
        spots = matrix[:, 0] * columns[None, :, None] + matrix[:, 1] * rows[:, None, None]
        grid = (2 * (spots + matrix[:, 2]) + 1) / self.size - 1
        found = torch.nn.functional.grid_sample(
            torch.from_numpy(np.ascontiguousarray(fields))[None],
            grid[None],
            mode="bicubic",
            align_corners=False,
        )
        return found[0].numpy()


def crop_size(landmarks: Any) -> Any:
    """Return the smallest of :data:`CROP_SIZES` that is at least the crop's size in the photo."""
    matrix = crop_matrix(landmarks, CROP_SIZES[-1])
    side = CROP_SIZES[-1] / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return next((size for size in CROP_SIZES if size >= side), CROP_SIZES[-1])


def fade(size: int) -> NDArray[np.float32]:
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
    depth = np.minimum(np.minimum(pixel, size - 1 - pixel) / (size * FADE), 1)
    edge = depth**2 * (3 - 2 * depth)
    return np.outer(edge, edge).astype(np.float32)


def add_change(
    photo: NDArray[np.uint8],
    change: NDArray[np.float32],
    place: Place,
    others: Sequence[Place] = (),
    *,
    white: int = 255,
) -> tuple[float, float]:
    """Add a crop's change to the photo it was cut from, faded and rounded, in place.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), uint8 or uint16
    change : ndarray of shape (size, size, 3), float32
        In [-255, 255]. What of it lies outside the photo is lost.
    place : Place
    others : sequence of Place
        The other faces' crops: where they overlap, each adds its share of the change.
    white : int, default=255
        The photo's value of white, which is 255 of the change.

    Returns
    -------
    mean, most : float
        Of the absolute changes of the photo's values under the crop, in levels of 255.
    """
    mask = fade(place.size)

    def part(region):
        return place.to_photo(change * mask[..., None], region) * np.float32(white / 255)

    return change_photo(photo, part, place, others, white=white)


def change_photo(
    photo: NDArray[Any],
    part: Callable[[Any], NDArray[np.float32]],
    place: Place,
    others: Sequence[Place] = (),
    *,
    white: int = 255,
) -> tuple[float, float]:
    """Add a change to a photo in place, some rows at once; return as :func:`add_change` does.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), uint8 or uint16
    part : callable
        The rows and columns of a region in, the change of its pixels out, in the photo's levels.
    place, others, white
        As for :func:`add_change`.
    """
    region = place.region(photo.shape)
    near = [other for other in others if _overlap(other.region(photo.shape), region)]
    moved, n_values, most = 0.0, 0, 0.0
    for band in _bands(region):
        change_of_band = _add_band(photo, part(band), place, near, band, white)
        under = place.to_photo(np.ones((place.size, place.size), np.float32), band) > 0
        moved += float(change_of_band[under].sum(dtype=np.float64))
        n_values += int(under.sum()) * photo.shape[2]
        most = max(most, float(change_of_band.max()))
    return moved / max(n_values, 1), most


def change_region(
    photo: NDArray[Any], fields: NDArray[np.float32], place: Place, region: Any, white: int
) -> NDArray[np.float32]:
    """Return by how much smooth fields change some pixels of a photo, in its levels.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), uint8 or uint16
        As it was.
    fields : ndarray of shape (6, size, size), float32
        Over the place's crop: from where a pixel comes, in x and y (shares of a side), gain less
        1, and what is added to red, green and blue (shares of white).
    place : Place
    region : tuple of slice
        Rows and columns.
    white : int
        The photo's value of white.

    Returns
    -------
    ndarray of shape (n_rows, n_columns, 3), float32
        The fields are cubic between the crop's pixels, the photo is cubic between its own; where
        nothing is shifted its pixels are taken as they are.
    """
    cv2 = need("cv2", "faces")
    rows, columns = region
    at = place.fields_at(fields, region)
    way_back = np.linalg.inv(place.matrix[:, :2]).astype(np.float32) * np.float32(place.size)
    shifts = np.tensordot(way_back, at[:2], axes=1)
    reach = int(np.ceil(np.abs(shifts).max(initial=0))) + CUBIC_REACH
    top, left = max(rows.start - reach, 0), max(columns.start - reach, 0)
    source = photo[top : rows.stop + reach, left : columns.stop + reach].astype(np.float32)
    x = np.arange(columns.start - left, columns.stop - left, dtype=np.float32)[None]
    y = np.arange(rows.start - top, rows.stop - top, dtype=np.float32)[:, None]
    moved = cv2.remap(
        source,
        x + shifts[0],
        y + shifts[1],
        interpolation=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    moved *= 1 + at[2][..., None]
    moved += np.moveaxis(at[3:], 0, -1) * np.float32(white)
    moved -= photo[region]
    return moved


def _bands(region):
    """Yield a region's rows and columns, so many rows at once as have :data:`BAND_PIXELS`."""
    rows, columns = region
    width = columns.stop - columns.start
    if not width:
        return
    step = max(1, BAND_PIXELS // width)
    for top in range(rows.start, rows.stop, step):
        yield slice(top, min(top + step, rows.stop)), columns


def _add_band(photo, part, place, near, band, white):
    """Add the change to some rows in place; return by how much each value moved, of 255."""
    if near:
        mask = fade(place.size)
        total = sum(other.to_photo(fade(other.size), band) for other in near)
        part /= np.maximum(place.to_photo(mask, band) + total, 1)[..., None]
    before = photo[band].astype(np.float32)
    part = np.clip(np.rint(part + before), 0, white)
    photo[band] = part
    return np.abs(part - before) * (255 / white)


def _overlap(region, other):
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(region, other, strict=True))
