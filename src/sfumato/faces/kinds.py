"""What a file is, by its first bytes and never by its name."""

import re
from collections.abc import Iterable

#: Bytes that :func:`kind_of` looks at.
HEAD = 4096
#: What Pillow itself decodes: its EPS reader, for one, would start Ghostscript.
PHOTOS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "HEIC")
#: Pictures that are not read, and what to do.
UNREAD = {
    "JPEG XL": "convert it to JPEG or PNG",
    "camera RAW": "develop it to JPEG or TIFF",
    "Photoshop": "save it as TIFF or PNG",
}
VIDEO, TEXT, EMPTY, UNKNOWN = "video", "text", "empty file", "unknown content"
#: Endings that claim a photo: such a file is read, or rejected, whatever it holds.
CLAIMS = re.compile(
    r"\.(jpe?g|jpe|jfif|png|apng|webp|bmp|tiff?|gif|p[bgpn]m|jp2|j2k|avif|mpo|hei[cf]|jxl|psd"
    r"|cr[23w]|nef|arw|dng|raf|orf|rw2|pef|srw|x3f)$",
    re.IGNORECASE,
)
_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\0\0\0\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"FUJIFILMCCD-RAW", "camera RAW"),
    (b"IIU\0", "camera RAW"),
    (b"IIRO", "camera RAW"),
    (b"IIRS", "camera RAW"),
    (b"MMOR", "camera RAW"),
    (b"FOVb", "camera RAW"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\x1aE\xdf\xa3", VIDEO),
    (b"\0\0\x01\xba", VIDEO),
    (b"FLV\x01", VIDEO),
    (b"PAR1", "Parquet table"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office or thumbnail database"),
    (b"\0\x05\x16\x07", "AppleDouble"),
)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def kind_of(head: bytes) -> str:
    """Return what the first bytes of a file say that it is.

    Parameters
    ----------
    head : bytes
        Up to :data:`HEAD` bytes from the start.

    Returns
    -------
    str
        One of :data:`PHOTOS` or :data:`UNREAD`, "video", "text", "empty file", "unknown
        content" or another kind in plain words.

    Examples
    --------
    >>> kind_of(b"GIF89a"), kind_of(b"some words"), kind_of(b"")
    ('GIF', 'text', 'empty file')
    """
    if not head:
        return EMPTY
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return "camera RAW"
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": VIDEO}.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _boxed(head)
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return VIDEO
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if re.match(rb"P[1-6]\s", head):
        return "PPM"
    return TEXT if _is_text(head) else UNKNOWN


def may_be_photo(kind: str, name: str) -> bool:
    """Return whether a file may be a photo: by its content, or as its ending claims so."""
    return kind in PHOTOS or kind in UNREAD or CLAIMS.search(name) is not None


def count_kinds(left_out: dict[str, list[str]]) -> list[str]:
    """Return a line a kind: how many there are, and the names of the first three."""
    return [f"{len(names):,} x {kind}: {_some(names)}" for kind, names in left_out.items()]


def _some(names: Iterable[str], most: int = 3) -> str:
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _boxed(head: bytes) -> str:
    """Return the kind of an ISO base media file, by the brands that it declares."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if b"crx " in brands:
        return "camera RAW"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return "HEIC"
    return VIDEO


def _is_text(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    if b"\0" in head:
        return False
    for cut in range(4):  # The last character may be cut off.
        try:
            head[: len(head) - cut].decode("utf-8")
            return True
        except UnicodeDecodeError:
            continue
    return False
