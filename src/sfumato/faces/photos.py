"""Read a photo of any usual kind into RGB, refusing broken files and bombs before decoding."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.faces import deep as deep_pixels
from sfumato.faces._jpegs import completed
from sfumato.faces._opening import (
    MAX_PIXELS,
    NotKnownError,
    PhotoError,
    check_size,
    content_of,
    damage,
    name_of,
    open_photo,
    what_it_is,
)
from sfumato.faces.kinds import HEAD, kind_of
from sfumato.validation import need

__all__ = [
    "MAX_PIXELS",
    "Photo",
    "PhotoError",
    "has_alpha",
    "load_photo",
    "open_photo",
    "read_photo",
    "upright",
]

WIDTH, HEIGHT, REDUCED, ORIENTATION, SAMPLES, DNG = 256, 257, 254, 274, 339, 50_706
FLOATING = 3
#: Rows that are converted at once.
BAND = 256


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo, upright and in colour.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        RGB.
    deep : ndarray of shape (height, width, 3), uint16, optional
        The same at 16 bits, where the file has as many and nothing is transparent.
    white : int
        Of ``deep``: the value of white.
    notes : tuple of str
        What of the file was not taken as it is, such as the other frames of an animation.
    kind : str
        Pillow's name of the format.
    """

    pixels: NDArray[np.uint8]
    deep: NDArray[np.uint16] | None = None
    white: int = deep_pixels.WHITE_16
    notes: tuple[str, ...] = ()
    kind: str = ""


def read_photo(
    source: str | Path | bytes, *, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> NDArray[np.uint8]:
    """Return a photo's pixels, as :func:`load_photo` reads them: (height, width, 3), RGB."""
    return load_photo(source, max_pixels=max_pixels, name=name).pixels


def load_photo(
    source: str | Path | bytes, *, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> Photo:
    """Return a photo upright and in colour.

    The EXIF orientation is applied, transparent parts become black (if all is transparent, the
    colours below are taken), and of an animation the first frame is taken. Pixels of 16 bits are
    kept beside their 8-bit form; floating-point ones are taken where their range is plain. A
    JPEG of which only the end mark is missing is complete.

    Parameters
    ----------
    source : str, Path or bytes
        A file, or its content.
    max_pixels : int, default=100_000_000
        Larger photos are refused by their header, before anything is decoded.
    name : str, optional
        What messages call the photo; its path by default.

    Raises
    ------
    PhotoError
        An InputError: no such file, empty, no image, broken, truncated or too large.
    """
    name = name or name_of(source)
    try:
        with open_photo(source, max_pixels=max_pixels, name=name) as (image, name):
            try:
                return _decoded(image, source, name)
            except PhotoError:
                raise
            # A damaged file makes Pillow's readers raise nearly anything.
            except Exception as error:
                raise PhotoError(name, damage(image.format, error)) from error
    except NotKnownError:
        found = _float_tiff(source, max_pixels, name)
        if found is None:
            raise
        return found


def upright(image: Any) -> Any:
    """Decode a Pillow image and turn it as its EXIF orientation says, in place; return it."""
    image.load()
    # A damaged EXIF block is no reason to refuse sound pixels.
    with contextlib.suppress(Exception):
        need("PIL.ImageOps", "faces").exif_transpose(image, in_place=True)
    return image


def has_alpha(image: Any) -> Any:
    """Return whether a Pillow image may have transparent parts."""
    return image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info


def _decoded(image, source, name):
    """Return the Photo of an opened image."""
    kind, notes = image.format, []
    if kind == "TIFF" and (DNG in image.tag_v2 or image.tag_v2.get(REDUCED) == 1):
        raise PhotoError(name, what_it_is("camera RAW"))
    # A JPEG's further pictures are depth and gain maps, and previews.
    n_frames = getattr(image, "n_frames", 1) if kind not in ("JPEG", "MPO", "HEIF") else 1
    if n_frames > 1:
        what = "pages" if kind == "TIFF" else "frames of its animation"
        notes.append(f"the first of {n_frames} {what} is used")
    is_deep = _has_deep_colours(image)
    deep = _deep_colours(image, source, name) if is_deep else None
    if is_deep and deep is None:
        notes.append("its 16-bit values are read as 8 bits")
    # Of a PNG, asking for EXIF decodes it.
    orientation = 1 if deep is None else _orientation(image)
    image = _loaded(image, source, name, notes)
    if deep is None and not image.mode.startswith("I"):
        return Photo(_to_rgb(image, name, notes), notes=tuple(notes), kind=kind)
    deep = _grey(np.asarray(image), name) if deep is None else deep_pixels.turn(deep, orientation)
    white, note = deep_pixels.white_level(deep)
    notes += [note] if note else []
    deep = deep_pixels.in_colour(deep)
    return Photo(deep_pixels.to_8_bits(deep, white), deep, white, tuple(notes), kind)


def _orientation(image):
    with contextlib.suppress(Exception):
        return int(image.getexif().get(ORIENTATION, 1))
    return 1


def _loaded(image, source, name, notes):
    """Return an image decoded and upright; that of a JPEG without its end mark, too."""
    try:
        return upright(image)
    except OSError as error:
        if image.format not in ("JPEG", "MPO") or "truncated" not in str(error):
            raise
    found, n_rows = completed(need("PIL.Image", "faces"), content_of(source, name))
    if n_rows < found.height:
        raise PhotoError(
            name, f"the JPEG file is truncated: its picture ends in row {n_rows} of {found.height}"
        )
    notes.append("the file's end mark is missing, its picture is complete")
    return upright(found)


def _has_deep_colours(image):
    """Return whether a Pillow image has 16-bit colours, of which Pillow itself keeps 8."""
    if image.format not in ("PNG", "TIFF") or not image.tile:
        return False
    rawmode = image.tile[0][3]  # Such as "RGB;16B".
    rawmode = rawmode if isinstance(rawmode, str) else (rawmode or [""])[0]
    return ";16" in str(rawmode) and not image.mode.startswith("I")


def _deep_colours(image, source, name):
    """Return 16-bit colours as they are stored; None with transparency, or if OpenCV cannot."""
    if image.mode != "RGB" or has_alpha(image):
        return None
    pixels = deep_pixels.decode(content_of(source, name))
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    return pixels if pixels.shape[1::-1] == image.size else None


def _to_rgb(image, name, notes):
    if image.mode == "F":
        return _floats(np.asarray(image), name, notes)
    if not has_alpha(image):
        return _pixels(image, "RGB")
    rgba = _pixels(image, "RGBA")
    colours, alpha = rgba[..., :3], rgba[..., 3:]
    if not alpha.any() and colours.any():
        notes.append("every pixel is transparent, so the colours below are used")
        alpha[:] = 255
    if alpha.min(initial=255) < 255:
        for top in range(0, len(rgba), BAND):
            rows = slice(top, top + BAND)
            colours[rows] = (colours[rows] * alpha[rows].astype(np.uint16) + 127) // 255
    return np.ascontiguousarray(colours)


def _pixels(image, mode):
    """Return an image's pixels in a mode, band by band: each step of Pillow's is a copy of all."""
    width, height = image.size
    found = np.empty((height, width, len(mode)), np.uint8)
    for top in range(0, height, BAND):
        band = image.crop((0, top, width, min(top + BAND, height)))
        found[top : top + BAND] = band.convert(mode)
    return found


def _floats(values, name, notes):
    try:
        pixels, note = deep_pixels.float_pixels(values)
    except ValueError as error:
        raise PhotoError(name, str(error)) from error
    notes.append(note)
    return deep_pixels.in_colour(pixels)


def _grey(grey, name):
    if grey.min() < 0 or grey.max() > deep_pixels.WHITE_16:
        raise PhotoError(
            name,
            f"its 32-bit pixels go from {grey.min()} to {grey.max()}, beyond 16 bits; save it as "
            "8 bits",
        )
    return grey.astype(np.uint16)


def _float_tiff(source, max_pixels, name):
    """Return the Photo of a TIFF of floating-point colours, which Pillow does not know."""
    content = content_of(source, name)
    if kind_of(content[:HEAD]) != "TIFF":
        return None
    tags: Any = {}
    with contextlib.suppress(Exception):
        tags = need("PIL.TiffImagePlugin", "faces").ImageFileDirectory_v2(content[:8])
        stream = io.BytesIO(content)
        stream.seek(tags.next)
        tags.load(stream)
    if {WIDTH, HEIGHT, SAMPLES} - set(tags) or set(tags[SAMPLES]) != {FLOATING}:
        return None
    check_size(tags[WIDTH], tags[HEIGHT], max_pixels, name)
    pixels = deep_pixels.decode(content)
    if pixels is None or pixels.dtype not in (np.float32, np.float64):
        return None
    notes: list[str] = []
    pixels = deep_pixels.turn(pixels, int(tags.get(ORIENTATION, 1)))
    return Photo(_floats(pixels, name, notes), notes=tuple(notes), kind="TIFF")
