"""Read a photo of any usual kind into RGB, refusing broken files and bombs before decoding."""

import contextlib
import io
import threading
import warnings

import numpy as np

from sfumato.errors import InputError
from sfumato.validation import need

MAX_PIXELS = 100_000_000
ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pnm", ".jp2", ".j2k", ".avif"),
)
# Only what decodes in Pillow itself: its EPS reader, for one, would start Ghostscript.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
_OPENING = threading.Lock()


class PhotoError(InputError):
    """A photo that cannot be read; ``reason`` says why without the file's name."""

    def __init__(self, name, reason):
        super().__init__(f"{name}: {reason}.")
        self.name = name
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.name, self.reason)


def read_photo(source, *, max_pixels=MAX_PIXELS, name=None):
    """Return a photo upright and in colour.

    The EXIF orientation is applied, transparent parts become black, 16-bit greys are scaled
    to 8 bits, and of an animation the first frame is taken.

    Parameters
    ----------
    source : str, Path or bytes
        A file, or its content.
    max_pixels : int, default=100_000_000
        Larger photos are refused by their header, before anything is decoded.
    name : str, optional
        What messages call the photo; its path by default.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB.

    Raises
    ------
    PhotoError
        An InputError: no such file, empty, no image, broken, truncated or too large.
    """
    with open_photo(source, max_pixels=max_pixels, name=name) as (image, name):
        try:
            return _to_rgb(upright(image), name)
        except PhotoError:
            raise
        # A damaged file makes Pillow's readers raise nearly anything.
        except Exception as error:
            raise PhotoError(name, _damage(image.format, error)) from error


@contextlib.contextmanager
def open_photo(source, *, max_pixels=MAX_PIXELS, name=None):
    """Give ``(image, name)``: a Pillow image that is not decoded yet, and what to call it.

    Parameters and errors are those of :func:`read_photo`.
    """
    raw = isinstance(source, bytes | bytearray | memoryview)
    name = name or ("photo" if raw else str(source))
    image_module = need("PIL.Image", "faces")
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, which does not touch the pixels.
        warnings.simplefilter("ignore")
        with _opened(image_module, source, raw, name) as image:
            n_pixels = image.width * image.height
            if n_pixels > max_pixels:
                raise PhotoError(
                    name,
                    f"{image.width} x {image.height} pixels are more than the limit of "
                    f"{max_pixels} (max_pixels)",
                )
            yield image, name


@contextlib.contextmanager
def _opened(image_module, source, raw, name):
    image_module.init()
    formats = [name for name in FORMATS if name in image_module.OPEN]
    stream = io.BytesIO(source) if raw else _open(source, name)
    with stream:
        if not stream.read(1):
            raise PhotoError(name, "the file is empty")
        stream.seek(0)
        with _without_pillow_limit(image_module):
            try:
                image = image_module.open(stream, formats=formats)
            except image_module.UnidentifiedImageError as error:
                known = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000 or AVIF"
                raise PhotoError(name, f"not an image ({known})") from error
            except Exception as error:
                raise PhotoError(name, _damage("image", error)) from error
        with image:
            yield image


def _open(path, name):
    try:
        return open(path, "rb")
    except OSError as error:
        raise PhotoError(name, f"cannot be opened ({error.strerror or error})") from error


@contextlib.contextmanager
def _without_pillow_limit(image_module):
    # Pillow's own limit is a global that also refuses what max_pixels allows.
    with _OPENING:
        limit, image_module.MAX_IMAGE_PIXELS = image_module.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            image_module.MAX_IMAGE_PIXELS = limit


def _damage(kind, error):
    if "truncated" in str(error) or isinstance(error, EOFError):
        return f"the {kind} file is truncated"
    return f"the {kind} file is damaged ({' '.join(str(error).split()) or type(error).__name__})"


def upright(image):
    """Decode a Pillow image and turn it as its EXIF orientation says, in place; return it."""
    image.load()
    # A damaged EXIF block is no reason to refuse sound pixels.
    with contextlib.suppress(Exception):
        need("PIL.ImageOps", "faces").exif_transpose(image, in_place=True)
    return image


def has_alpha(image):
    """Return whether a Pillow image may have transparent parts."""
    return image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info


def _to_rgb(image, name):
    if image.mode.startswith("I"):
        return _grey_16_bit(np.asarray(image), name)
    if image.mode == "F":
        raise PhotoError(name, "floating-point pixels have no fixed range; save it as 8 bits")
    if has_alpha(image):
        rgba = np.array(image.convert("RGBA"))
        if (rgba[..., 3] == 255).all():
            return np.ascontiguousarray(rgba[..., :3])
        alpha = rgba[..., 3:].astype(np.uint16)
        return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return np.array(image.convert("RGB"))


def _grey_16_bit(grey, name):
    if grey.min() < 0 or grey.max() > 65_535:
        raise PhotoError(name, "32-bit pixels have no fixed range; save it as 8 bits")
    # 65535 = 255 * 257, so this rounds v * 255 / 65535.
    grey = ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
