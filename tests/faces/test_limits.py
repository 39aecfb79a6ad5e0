"""Photos that cost much and say little are refused by their headers."""

import io
import struct
import time
import zlib

import pytest

pytest.importorskip("PIL", reason="needs the extra faces")

from PIL import Image, features

from sfumato.faces.limits import PhotoLimits, check_photo
from sfumato.faces.photos import PhotoError


def encoded(size, kind, mode="RGB", **options):
    content = io.BytesIO()
    Image.new(mode, size, 128).save(content, kind, **options)
    return content.getvalue()


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG, JPEG = encoded((64, 64), "PNG"), encoded((64, 64), "JPEG")
SCANS = encoded((64, 64), "JPEG", progressive=True)
LAST_SCAN = SCANS[SCANS.rindex(b"\xff\xda") : -2]


def png_of(width, height):
    """Return a PNG that says that it is so large."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return PNG[:8] + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND")


HOSTILE = {
    "narrow": (png_of(1, 50_000_000), "1 x 50000000 pixels are more than the limit of 25000000"),
    "long": (png_of(20_001, 1_100), "20001 x 1100 pixels are more than the limit of 20000 a side"),
    "a line": (png_of(2_100, 100), "2100 x 100 pixels are more than the limit of 20 to 1"),
    "plain": (png_of(5_000, 4_900), "in 65 bytes are more than the limit of 2000 pixels a byte"),
    "chunks": (PNG[:33] + chunk(b"teSt") * 1_600_000 + PNG[33:], "limit of 20000 chunks"),
    "pixels in many chunks": (PNG[:33] + chunk(b"IDAT") * 30_000, "limit of 20000 chunks"),
    "comments": (JPEG[:2] + b"\xff\xfe\0\2" * 4_000_000 + JPEG[2:], "limit of 20000 segments"),
    "filling": (JPEG[:2] + b"\xff" * 9_000_000 + JPEG[2:], "limit of 20000 segments"),
    "escapes": (JPEG[:2] + b"\xff\0" * 9_000_000 + JPEG[2:], "limit of 20000 segments"),
    "junk": (JPEG[:2] + b"\xff\xd0" + b"j" * 9_000_000 + JPEG[2:], "limit of 20000 segments"),
    "restarts": (JPEG[:2] + b"\xff\xd0" * 9_000_000 + JPEG[2:], "limit of 20000 segments"),
    "extensions": (JPEG[:2] + b"\xff\xf4" * 9_000_000 + JPEG[2:], "limit of 20000 segments"),
    "scans": (SCANS[:-2] + LAST_SCAN * 100 + SCANS[-2:], "limit of 100 scans"),
    "profile": (
        PNG[:33] + chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(99_000_000))) + PNG[33:],
        "too large",
    ),
    "GIF": (encoded((9, 9), "GIF", "P"), "a GIF picture; send JPEG, PNG, WEBP, AVIF or HEIC"),
    "TIFF": (encoded((9, 9), "TIFF"), "a TIFF picture; send"),
    "BMP": (encoded((9, 9), "BMP"), "a BMP picture; send"),
    "PPM": (encoded((9, 9), "PPM"), "a PPM picture; send"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG2000 picture; send"),
    "text": (b"words", "not an image .* but text"),
    "nothing": (b"", "not an image|empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_photos_are_refused_at_once(name):
    content, message = HOSTILE[name]
    started = time.process_time()
    with pytest.raises(PhotoError, match=message):
        check_photo(content, PhotoLimits())
    # Decoded or walked through, they cost 6 to 30 s.
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_photos_as_cameras_make_them_pass(kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    check_photo(encoded((1200, 900), kind), PhotoLimits())


def test_an_avif_of_a_kilobyte_is_not_49_megapixels():
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    content = encoded((2_400, 2_100), "AVIF", speed=10)
    with pytest.raises(PhotoError, match="more than the limit of 100 pixels a byte"):
        check_photo(content, PhotoLimits(pixels_a_byte=100))
    with pytest.raises(PhotoError, match="more than the limit of 5000000 "):
        check_photo(content, PhotoLimits(other_pixels=5_000_000))


def test_a_large_jpeg_passes_where_others_do_not():
    limits = PhotoLimits(jpeg_pixels=10_000, other_pixels=5_000)
    check_photo(encoded((100, 100), "JPEG"), limits)
    with pytest.raises(PhotoError, match="100 x 100 pixels are more than the limit of 5000"):
        check_photo(encoded((100, 100), "PNG"), limits)


def test_a_progressive_jpeg_with_a_preview_and_an_odd_head_passes():
    preview = b"\xff\xe1" + struct.pack(">H", 2 + len(SCANS)) + SCANS
    check_photo(SCANS[:2] + b"\xff" * 500 + preview + SCANS[2:], PhotoLimits())
