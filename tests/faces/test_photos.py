"""Photos of every kind read right; bad ones refused with a reason, never with a crash."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.faces.photos import PhotoError, read_photo

Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def portrait():
    """Return a smooth 48 x 40 RGB image, which JPEG keeps nearly exactly."""
    y, x = np.mgrid[:48, :40]
    return np.stack([x * 4, y * 4, 120 + x + y], axis=2).astype(np.uint8)


def test_rgb_from_bytes_and_from_a_path(tmp_path):
    pixels = portrait()
    data = encoded(Image.fromarray(pixels))
    (tmp_path / "a.png").write_bytes(data)
    for source in (data, tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_array_equal(read_photo(source), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_usual_formats(kind):
    image = Image.fromarray(portrait())
    result = read_photo(encoded(image, kind))
    assert result.shape == (48, 40, 3) and result.dtype == np.uint8 and result.flags.writeable
    assert np.abs(result.astype(int) - portrait()).mean() < 8


def test_grey_and_1_bit():
    grey = Image.fromarray(np.array([[0, 100], [200, 255]], np.uint8))
    np.testing.assert_array_equal(read_photo(encoded(grey))[..., 2], [[0, 100], [200, 255]])
    bits = Image.fromarray(np.array([[False, True]]))
    np.testing.assert_array_equal(read_photo(encoded(bits))[0, :, 0], [0, 255])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    # v * 255 / 65535 = v / 257: 128 is just below a half, 129 just above.
    grey = np.array([[0, 128, 129, 257 * 7, 32_768, 65_535]], np.uint16)
    result = read_photo(encoded(Image.fromarray(grey), kind))
    np.testing.assert_array_equal(result[0, :, 1], [0, 0, 1, 7, 128, 255])


def test_cmyk_jpeg():
    # No cyan, full magenta and yellow: red. Full key: black.
    red = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    black = encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 255)), "JPEG")
    np.testing.assert_allclose(read_photo(red)[8, 8], (255, 0, 0), atol=3)
    np.testing.assert_allclose(read_photo(black)[8, 8], (0, 0, 0), atol=3)


def test_transparent_parts_are_black_and_half_transparent_ones_half():
    pixels = np.array([[(200, 100, 50, 255), (200, 100, 50, 0), (200, 100, 50, 51)]], np.uint8)
    result = read_photo(encoded(Image.fromarray(pixels)))
    # 51 / 255 is a fifth.
    np.testing.assert_array_equal(result[0], [(200, 100, 50), (0, 0, 0), (40, 20, 10)])


def test_palette_with_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    for transparency in (1, bytes([255, 0])):
        result = read_photo(encoded(image, transparency=transparency))
        np.testing.assert_array_equal(result[0], [(10, 20, 30), (0, 0, 0)])


def test_exif_orientation_is_applied():
    # Orientation 6 says: turn clockwise to see it. The stored left side becomes the top.
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16, 0] = 255
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    result = read_photo(encoded(image, "JPEG", exif=exif, quality=95))
    assert result.shape == (32, 16, 3)
    assert result[:14, :, 0].min() > 240 and result[18:, :, 0].max() < 15


def test_a_damaged_exif_block_does_not_cost_the_photo():
    data = encoded(
        Image.fromarray(portrait()), "JPEG", exif=b"Exif\0\0II*\0garbage" + b"\xff" * 40
    )
    assert read_photo(data).shape == (48, 40, 3)


def bomb(width, height):
    """Return a PNG whose header promises a giant, in a few hundred bytes."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"these are words, no photo", "not an image"),
        (bomb(20_000, 20_000), "20000 x 20000 pixels are more than the limit of 100000000"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_bad_photos_have_a_reason(tmp_path, data, reason):
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(PhotoError, match=reason) as caught:
            read_photo(source)
        assert caught.value.reason.startswith(reason)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_truncated(kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(PhotoError, match="truncated|damaged"):
        read_photo(data[: len(data) // 2])


def test_missing_file_and_wide_pixels(tmp_path):
    with pytest.raises(PhotoError, match=r"no\.jpg: cannot be opened \(No such file"):
        read_photo(tmp_path / "no.jpg")
    wide = Image.fromarray(np.array([[0, 2**20]], np.int32))
    with pytest.raises(PhotoError, match="32-bit pixels go from 0 to 1048576, beyond 16 bits"):
        read_photo(encoded(wide, "TIFF"))


def test_any_error_of_a_reader_is_a_reason(monkeypatch):
    def fail(*_, **__):
        raise ValueError("odd\nchunk")

    data = encoded(Image.fromarray(portrait()))
    # Pillow's EXIF code raised for damaged blocks once; the pixels are still sound.
    monkeypatch.setattr("PIL.ImageOps.exif_transpose", fail)
    assert read_photo(data).shape == (48, 40, 3)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(PhotoError) as caught:
        read_photo(data)
    assert caught.value.reason == "the PNG file is damaged (odd chunk)"


def test_the_limit_is_ours_and_exact(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    data = encoded(Image.new("RGB", (10, 10)))
    assert read_photo(data, max_pixels=100).shape == (10, 10, 3)
    with pytest.raises(PhotoError, match="10 x 10 pixels are more than the limit of 99"):
        read_photo(data, max_pixels=99)
    assert Image.MAX_IMAGE_PIXELS == 10


SAMPLES = [encoded(Image.fromarray(portrait()), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF")]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=20),
    st.floats(0, 1),
)
def test_damage_gives_a_photo_or_a_reason_never_another_error(data, changes, keep):
    broken = bytearray(data)
    for place, value in changes:
        broken[int(place * len(broken))] = value
    try:
        result = read_photo(bytes(broken[: int(keep * len(broken))]), max_pixels=100_000)
    except PhotoError as error:
        assert error.reason
    else:
        assert result.ndim == 3 and result.shape[2] == 3 and result.dtype == np.uint8


PEAK = """
import re, sys
from pathlib import Path
from sfumato.faces.photos import read_photo

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

read_photo(sys.argv[1])
before = peak()
pixels = read_photo(sys.argv[2])
print((peak() - before) / (pixels.size / 3))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    ("mode", "kind", "most"), [("RGB", "JPEG", 9), ("RGBA", "PNG", 13), ("16 bits", "PNG", 17)]
)
def test_a_large_photo_is_read_with_few_copies(mode, kind, most, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for name, size in (("small", (64, 64)), ("large", (4000, 4000))):
        path = tmp_path / f"{name}.{kind.lower()}"
        if mode == "16 bits":
            cv2 = pytest.importorskip("cv2")
            assert cv2.imwrite(str(path), np.full((*size, 3), 40_000, np.uint16))
        else:
            Image.new(mode, size, (9, 99, 199, 99)[: len(mode)]).save(path)
    paths = [str(tmp_path / f"{name}.{kind.lower()}") for name in ("small", "large")]
    done = subprocess.run([sys.executable, "-c", PEAK, *paths], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert float(done.stdout) < most  # Bytes a pixel.
