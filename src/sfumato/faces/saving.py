"""Write a changed photo: the pixels as they are, and of the metadata what was asked for."""

import contextlib
import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.faces._opening import NotKnownError
from sfumato.faces.photos import MAX_PIXELS, has_alpha, open_photo, upright
from sfumato.files import atomic_path
from sfumato.validation import need

#: Pillow's name and options of each ending that can be written; all but JPEG lose nothing.
KINDS = {
    ".png": ("PNG", {"compress_level": 1}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "method": 0, "quality": 0}),
}
ORIENTATION, EXIF, GPS, THUMBNAIL = 0x0112, 0x8769, 0x8825, -1
MAKER_NOTE, INTEROPERABILITY, WIDTH, HEIGHT = 0x927C, 0xA005, 0xA002, 0xA003
# Description, maker, model, resolution, software, date, artist and copyright. The others tell
# how the old file was laid out, or hold previews.
DESCRIPTIVE = (*(0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x8298),)
JPEG_START = b"\xff\xd8\xff"
#: Where the chunks of a PNG go on after its first, IHDR.
AFTER_HEADER = 33


@dataclass(frozen=True, eq=False)
class Extras:
    """What a photo's file holds besides its upright RGB pixels.

    Parameters
    ----------
    rgba : ndarray of shape (height, width, 4), uint8, optional
        The upright photo with its transparency; None where nothing is transparent.
    options : dict
        For Pillow: ``icc_profile`` and ``exif``, where there are such.
    left_out : list of str
        Metadata that was asked for and cannot go along.
    """

    rgba: np.ndarray | None = None
    options: dict = field(default_factory=dict)
    left_out: list = field(default_factory=list)


def check_ending(path: str | Path) -> Any:
    """Refuse a file name whose ending is none that can be written; return the Path."""
    path = Path(path)
    if path.suffix.lower() not in KINDS:
        raise InputError(f"{path}: a photo is written as {', '.join(KINDS)}; name it so.")
    return path


def read_extras(
    source: str | Path | bytes, *, keep_metadata: bool = False, max_pixels: int = MAX_PIXELS
) -> Extras:
    """Return what a photo's file holds besides its RGB pixels.

    Parameters
    ----------
    source : str, Path or bytes
        A photo that :func:`~sfumato.faces.photos.read_photo` reads.
    keep_metadata : bool, default=False
        Keep the EXIF block: descriptive tags, camera and place, with the orientation set to
        upright. Its thumbnail and the maker's note, which may hold a preview, are left out, as
        they would show the face as it was. XMP, IPTC and comments are never kept.
    max_pixels : int

    Returns
    -------
    Extras
        The colour profile of an RGB photo is always kept: it says what the pixels mean.
    """
    with contextlib.ExitStack() as stack:
        try:
            image, _ = stack.enter_context(open_photo(source, max_pixels=max_pixels))
        except NotKnownError:  # A floating-point TIFF, read without Pillow.
            return Extras(left_out=["the metadata of a floating-point TIFF"] * keep_metadata)
        options, left_out = {}, []
        profile = image.info.get("icc_profile") or b""
        if profile[16:20] == b"RGB ":
            options["icc_profile"] = profile
        if keep_metadata:
            try:
                exif, left_out = _exif(image)
            # A damaged EXIF block makes Pillow raise nearly anything.
            except Exception:
                exif, left_out = b"", ["the EXIF block, which is damaged"]
            if exif:
                options["exif"] = exif
        return Extras(_rgba(image), options, left_out)


def _rgba(image):
    if not has_alpha(image):
        return None
    rgba = np.array(upright(image).convert("RGBA"))
    alpha = rgba[..., 3]
    # Where all is transparent, the colours below are the photo, as load_photo says.
    return None if (alpha == 255).all() or not alpha.any() else rgba


def _exif(image):
    """Return the EXIF block that may go along, and names of what of it may not."""
    old = image.getexif()
    left_out = ["the EXIF thumbnail"] if old.get_ifd(THUMBNAIL) else []
    kept = {tag: old[tag] for tag in DESCRIPTIVE if tag in old and not _is_picture(old[tag])}
    for block in (EXIF, GPS):
        tags = {tag: v for tag, v in old.get_ifd(block).items() if not _is_picture(v)}
        tags.pop(INTEROPERABILITY, None)
        if block == EXIF and tags.pop(MAKER_NOTE, None) is not None:
            left_out.append("the maker's note")
        if WIDTH in tags and old.get(ORIENTATION, 1) > 4:
            tags[WIDTH], tags[HEIGHT] = image.height, image.width
        if tags:
            kept[block] = tags
    if not kept:
        return b"", left_out
    new = need("PIL.Image", "faces").Exif()
    new.update(kept | {ORIENTATION: 1})
    return new.tobytes(), left_out


def _is_picture(value):
    """Return whether a tag holds a JPEG: a preview wherever a camera may have put it."""
    return isinstance(value, bytes) and JPEG_START in value


def save_photo(
    photo: NDArray[np.uint8],
    path: str | Path,
    *,
    original: NDArray[np.uint8] | None = None,
    extras: Extras | None = None,
    deep: NDArray[Any] | None = None,
) -> None:
    """Write a photo, atomically, as the ending says: PNG, WebP (both exact) or JPEG.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), uint8
    path : str or Path
        ``.png``, ``.webp``, ``.jpg`` or ``.jpeg``; a JPEG has quality 95 and full colour.
    original : ndarray of shape (height, width, 3), uint8, optional
        The photo before it was changed; needed where ``extras`` hold transparency.
    extras : Extras, optional
        Where the format can, transparency is kept. What is fully transparent becomes black, as
        nobody sees what a file may hide there.
    deep : ndarray of shape (height, width, 3), uint16, optional
        The photo at 16 bits, which a PNG keeps.

    Raises
    ------
    InputError
        For another ending, or a folder that does not exist.
    """
    path = check_ending(path)
    content = encode_photo(photo, path.suffix, original=original, extras=extras, deep=deep)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def encode_photo(
    photo: Any, ending: Any, *, original: Any = None, extras: Any = None, deep: Any = None
) -> Any:
    """Return the bytes that :func:`save_photo` writes; the ending is one of :data:`KINDS`."""
    extras = extras or Extras()
    kind, options = KINDS[ending.lower()]
    if deep is not None and kind == "PNG":
        return _deep_png(deep, extras.options)
    if extras.rgba is not None and kind != "JPEG":
        photo = _with_alpha(photo, original, extras.rgba)
    if kind == "WEBP":
        options = options | {"exact": True}
    content = io.BytesIO()
    image = need("PIL.Image", "faces").fromarray(photo)
    image.save(content, kind, **options, **extras.options)
    return content.getvalue()


def _deep_png(deep, options):
    """Return a PNG of 16-bit colours, which Pillow cannot write, with profile and EXIF."""
    cv2 = need("cv2", "faces")
    level = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    done, content = cv2.imencode(".png", np.ascontiguousarray(deep[..., ::-1]), level)
    if not done:
        raise InputError("the photo cannot be written at 16 bits; convert it to 8 bits.")
    content = content.tobytes()
    chunks = b""
    if profile := options.get("icc_profile"):
        chunks += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))
    if exif := options.get("exif"):
        chunks += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return content[:AFTER_HEADER] + chunks + content[AFTER_HEADER:]


def _chunk(kind, body):
    check = zlib.crc32(kind + body)
    return len(body).to_bytes(4, "big") + kind + body + check.to_bytes(4, "big")


def _with_alpha(photo, original, rgba):
    """Return the photo with transparency: the change goes to the colours before blending."""
    found = rgba.copy()
    change = photo.astype(np.int16) - original
    found[..., :3] = np.clip(rgba[..., :3] + change, 0, 255)
    found[rgba[..., 3] == 0] = 0
    return found
