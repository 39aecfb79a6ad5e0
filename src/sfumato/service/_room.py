"""Room for large photos: workers decode one of them at a time, however many are sent.

A photo of 49 megapixels that is protected and checked takes 0.7 GB. Which photo is large only a
worker sees, who then says so; the pool sends it again when it is the large photos' turn.
"""

from collections.abc import Callable
from typing import Any

from sfumato.errors import SfumatoError
from sfumato.faces.limits import PhotoLimits, check_photo

LARGE_PIXELS = 16_000_000


class NeedsRoom(SfumatoError):
    """A photo is large, and others may be under way."""


_has_room = False


def with_room(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function gives that may read a large photo, since nobody else does."""
    global _has_room
    _has_room = True
    try:
        return function(*args)
    finally:
        _has_room = False


def admit_photo(content: bytes, limits: PhotoLimits) -> None:
    """Refuse a photo beyond the limits, before it is decoded.

    Raises
    ------
    InputError
    NeedsRoom
        For a large one, unless this is called within :func:`with_room`.
    """
    n_pixels = check_photo(content, limits)
    if n_pixels > LARGE_PIXELS and not _has_room:
        raise NeedsRoom("the photo is large.")
