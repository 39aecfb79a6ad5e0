"""Open a photo's file: what it is, and how large, before anything is decoded."""

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.faces.kinds import HEAD, PHOTOS, TEXT, UNREAD, VIDEO, kind_of
from sfumato.validation import need

MAX_PIXELS = 100_000_000
# Only what decodes in Pillow itself: its EPS reader, for one, would start Ghostscript.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
KNOWN = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000, AVIF or HEIC"
_LOCK = threading.Lock()


class PhotoError(InputError):
    """A photo that cannot be read; ``reason`` says why without the file's name."""

    def __init__(self, name: str, reason: Any) -> None:
        super().__init__(f"{name}: {reason}.")
        self.name = name
        self._reason = reason

    @property
    def reason(self) -> Any:
        """Why the photo cannot be read."""
        return self._reason

    def __reduce__(self):
        return type(self), (self.name, self.reason)


class NotKnownError(PhotoError):
    """A photo whose content Pillow does not know."""


def name_of(source: str | Path | bytes) -> Any:
    """Return what messages call a source that has no other name."""
    return "photo" if isinstance(source, bytes | bytearray | memoryview) else str(source)


@contextlib.contextmanager
def open_photo(
    source: str | Path | bytes, *, max_pixels: Any = MAX_PIXELS, name: str | None = None
) -> Iterator[Any]:
    """Give ``(image, name)``: a Pillow image that is not decoded yet, and what to call it.

    Parameters and errors are those of :func:`sfumato.faces.photos.load_photo`.
    """
    name = name or name_of(source)
    image_module = need("PIL.Image", "faces")
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, which does not touch the pixels.
        warnings.simplefilter("ignore")
        with _opened(image_module, source, name) as image:
            check_size(image.width, image.height, max_pixels, name)
            yield image, name


def check_size(width: Any, height: Any, max_pixels: Any, name: str) -> None:
    """Refuse a photo of too many pixels."""
    if width * height > max_pixels:
        raise PhotoError(
            name,
            f"{width} x {height} pixels are more than the limit of {max_pixels} (max_pixels)",
        )


@contextlib.contextmanager
def _opened(image_module, source, name):
    _prepare(image_module)
    formats = [name for name in FORMATS if name in image_module.OPEN]
    with _stream(source, name) as stream:
        head = stream.read(HEAD)
        if not head:
            raise PhotoError(name, "the file is empty")
        stream.seek(0)
        with _without_pillow_limit(image_module):
            try:
                image = image_module.open(stream, formats=formats)
            except image_module.UnidentifiedImageError as error:
                raise NotKnownError(name, what_it_is(kind_of(head), formats)) from error
            except Exception as error:
                raise PhotoError(name, damage("image", error)) from error
        with image:
            yield image


@cache
def _prepare(image_module):
    """Register Pillow's readers, and that of HEIC where it is installed."""
    image_module.init()
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def what_it_is(kind: Any, formats: Sequence[Any] = ()) -> str:
    """Return why content of a kind is not read, with the remedy; ``formats`` are Pillow's."""
    if kind == "HEIC" and "HEIF" not in formats:
        return "a HEIC photo; convert it to JPEG, or pip install 'sfumato[heic]'"
    if kind in PHOTOS:
        return f"the {kind} file is damaged (its header says nothing of a picture)"
    if kind in UNREAD:
        return f"a {kind} picture; {UNREAD[kind]}"
    if kind == VIDEO:
        return f"a video, not an image ({KNOWN}); take stills"
    if kind == TEXT:
        return f"not an image ({KNOWN}) but text"
    return f"not an image ({KNOWN})"


def _stream(source, name):
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    try:
        return open(source, "rb")
    except OSError as error:
        raise PhotoError(name, f"cannot be opened ({error.strerror or error})") from error


def content_of(source: str | Path, name: str) -> Any:
    """Return a file's bytes, or those given."""
    with _stream(source, name) as stream:
        return stream.read()


@contextlib.contextmanager
def _without_pillow_limit(image_module):
    # Pillow's own limit is a global that also refuses what max_pixels allows.
    with _LOCK:
        limit, image_module.MAX_IMAGE_PIXELS = image_module.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            image_module.MAX_IMAGE_PIXELS = limit


def damage(kind: Any, error: Any) -> str:
    """Return the reason of an error that a reader of this kind raised."""
    if "truncated" in str(error) or isinstance(error, EOFError):
        return f"the {kind} file is truncated"
    return f"the {kind} file is damaged ({' '.join(str(error).split()) or type(error).__name__})"
