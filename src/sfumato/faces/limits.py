"""What a photo from anybody may be: refused by its header, before anything is decoded.

The command line reads what its user names, so it has one limit, ``max_pixels``. A service reads
what strangers send: a kilobyte that says that it is 50 megapixels costs it seconds.
"""

from dataclasses import dataclass

from sfumato.faces._opening import PhotoError, open_photo, what_it_is
from sfumato.faces.kinds import HEAD, PHOTOS, kind_of

#: Parts of a file before its pixels, and passes over them in a progressive JPEG.
MOST_PARTS, MOST_SCANS = 20_000, 100
#: Photos up to this size may be of one colour.
PLAIN_PIXELS = 4_000_000
#: Markers of a JPEG without a segment, of which Pillow's reader passes over any number.
_WITHOUT_SEGMENT = frozenset((0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)))
_SCAN = 0xDA


@dataclass(frozen=True)
class PhotoLimits:
    """Of photos that anybody may send.

    Parameters
    ----------
    jpeg_pixels, other_pixels : int
        Of a JPEG, and of the formats that take many times as long to decode.
    side : int
        Pixels of the longer side.
    aspect : float
        The longer side divided by the shorter one.
    pixels_a_byte : int
        Of a photo of more than 4 megapixels. Those of cameras have fewer than 100.
    kinds : tuple of str
        As :func:`sfumato.faces.kinds.kind_of` names them.
    """

    jpeg_pixels: int = 50_000_000
    other_pixels: int = 25_000_000
    side: int = 20_000
    aspect: float = 20.0
    pixels_a_byte: int = 2_000
    kinds: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "AVIF", "HEIC")


def check_photo(content: bytes, limits: PhotoLimits, *, name: str = "photo") -> int:
    """Refuse a photo that is beyond limits, by its header; nothing is decoded.

    Parameters
    ----------
    content : bytes
    limits : PhotoLimits
    name : str, default="photo"
        What messages call it.

    Returns
    -------
    int
        Its number of pixels.

    Raises
    ------
    PhotoError
        An InputError, with the limit.
    """
    kind = kind_of(content[:HEAD])
    if kind not in limits.kinds:
        taken = " or ".join((", ".join(limits.kinds[:-1]), limits.kinds[-1]))
        what = f"a {kind} picture; send {taken}" if kind in PHOTOS else what_it_is(kind)
        raise PhotoError(name, what)
    if kind == "PNG" and _n_chunks(content) > MOST_PARTS:
        raise PhotoError(name, f"the PNG file has more than the limit of {MOST_PARTS} chunks")
    if kind == "JPEG":
        _check_jpeg(content, name)
    most = limits.jpeg_pixels if kind == "JPEG" else limits.other_pixels
    with open_photo(content, max_pixels=most, name=name) as (image, _):
        width, height = image.size
    _check_form(width, height, len(content), limits, name)
    return int(width * height)


def _check_form(width, height, n_bytes, limits, name):
    """Refuse a photo that is too long, too narrow or too plain for one."""
    size, long, short = f"{width} x {height} pixels", max(width, height), min(width, height)
    if long > limits.side:
        raise PhotoError(name, f"{size} are more than the limit of {limits.side} a side")
    if long > limits.aspect * short:
        raise PhotoError(name, f"{size} are more than the limit of {limits.aspect:g} to 1")
    n_pixels = width * height
    if n_pixels > max(PLAIN_PIXELS, limits.pixels_a_byte * n_bytes):
        raise PhotoError(
            name,
            f"{size} in {n_bytes} bytes are more than the limit of {limits.pixels_a_byte} pixels "
            "a byte",
        )


def _check_jpeg(content, name):
    # Within pixels, 0xff is followed by 0; a preview in EXIF has one scan or few.
    if content.count(bytes((0xFF, _SCAN))) > MOST_SCANS:
        raise PhotoError(name, f"the JPEG file has more than the limit of {MOST_SCANS} scans")
    if _n_segments(content) > MOST_PARTS:
        raise PhotoError(name, f"the JPEG file has more than the limit of {MOST_PARTS} segments")


def _n_chunks(content):
    """Return the chunks of a PNG, counted up to one more than the limit."""
    at, n_chunks = 8, 0
    while at + 8 <= len(content) and n_chunks <= MOST_PARTS:
        at += 12 + int.from_bytes(content[at : at + 4], "big")
        n_chunks += 1
    return n_chunks


def _n_segments(content):
    """Return the steps to the pixels of a JPEG, counted up to one more than the limit."""
    at, n_steps = 2, 0
    while at + 1 < len(content) and n_steps <= MOST_PARTS:
        n_steps += 1
        marker = content[at + 1]
        if content[at] != 0xFF or marker == 0xFF:  # Filling, which is passed over byte by byte.
            at += 1
        elif marker in _WITHOUT_SEGMENT:
            at += 2
        elif marker == _SCAN:
            break
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return n_steps
