"""Pixels of more than 8 bits, cut-off JPEG files, and pictures below transparency."""

import io

import numpy as np
import pytest

from sfumato.faces.deep import float_pixels, turn, white_level
from sfumato.faces.photos import PhotoError, load_photo
from sfumato.faces.saving import encode_photo, read_extras

cv2 = pytest.importorskip("cv2", reason="needs the extra faces")
Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")
NOISE = np.random.default_rng(0).integers(0, 65_536, (24, 20, 3)).astype(np.uint16)


def written(pixels, ending):
    return cv2.imencode(ending, np.ascontiguousarray(pixels[..., ::-1]))[1].tobytes()


@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_16_bit_colours_are_kept(ending):
    photo = load_photo(written(NOISE, ending))
    np.testing.assert_array_equal(photo.deep, NOISE)
    # 65535 = 255 * 257.
    np.testing.assert_array_equal(photo.pixels, (NOISE.astype(int) + 128) // 257)
    assert photo.white == 65_535 and photo.notes == ()


def test_16_bits_with_transparency_are_told():
    rgba = np.dstack([NOISE, np.full((24, 20), 65_535, np.uint16)])
    photo = load_photo(cv2.imencode(".png", rgba)[1].tobytes())
    assert photo.deep is None and photo.notes == ("its 16-bit values are read as 8 bits",)


def test_a_png_of_16_bits_keeps_profile_and_exif():
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    options = {"icc_profile": b"not a profile", "exif": exif.tobytes()}
    extras = read_extras(written(NOISE, ".png"))
    extras.options.update(options)
    content = encode_photo((NOISE >> 8).astype(np.uint8), ".png", extras=extras, deep=NOISE)
    np.testing.assert_array_equal(load_photo(content).deep, NOISE)
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["icc_profile"] == b"not a profile" and image.getexif()[0x010F] == "Canon"


@pytest.mark.parametrize(
    ("top", "white"), [(200, 255), (1000, 1023), (4016, 4095), (4096, 65_535)]
)
def test_bits_stored_unscaled(top, white):
    grey = np.array([[0, top]], np.uint16)
    assert white_level(grey)[0] == white
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    photo = load_photo(stream.getvalue())
    assert photo.pixels[0, 1, 0] == round(top * 255 / white)
    assert bool(photo.notes) == (white < 65_535)


def test_floating_point_pixels():
    for top, right in {1.0: 255, 0.4: 102, 255.0: 255, 128.0: 128, 65_535.0: 255}.items():
        assert float_pixels(np.array([[0, top]]))[0].tolist() == [[0, right]]
    for values, reason in {
        (0.0, 3.0): "go from 0 to 3, and only ranges",
        (-1.0, 1.0): "go from -1 to 1",
        (0.0, np.nan): "not all finite",
    }.items():
        with pytest.raises(ValueError, match=reason):
            float_pixels(np.array([values]))
    unit = (NOISE / 65_535).astype(np.float32)
    photo = load_photo(written(unit, ".tiff"))
    np.testing.assert_array_equal(photo.pixels, np.rint(unit.astype(float) * 255))
    assert photo.notes == ("its floating-point pixels are read as from 0 to 1, 8 bits",)
    with pytest.raises(PhotoError, match="20 x 24 pixels are more than the limit of 99"):
        load_photo(written(unit, ".tiff"), max_pixels=99)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_mark_is_read_and_a_truncated_one_is_not(progressive):
    stream = io.BytesIO()
    pixels = (NOISE >> 8).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    Image.fromarray(pixels).save(stream, "JPEG", progressive=progressive)
    whole = stream.getvalue()
    photo = load_photo(whole[:-2])
    np.testing.assert_array_equal(photo.pixels, load_photo(whole).pixels)
    assert photo.notes == ("the file's end mark is missing, its picture is complete",)
    np.testing.assert_array_equal(load_photo(whole[:-1]).pixels, photo.pixels)
    for share in (0.5, 0.9):
        with pytest.raises(PhotoError, match=r"truncated: its picture ends in row \d+ of 96"):
            load_photo(whole[: int(share * len(whole))])


def test_colours_below_full_transparency():
    rgba = np.dstack([(NOISE >> 8).astype(np.uint8), np.zeros((24, 20), np.uint8)])
    stream = io.BytesIO()
    Image.fromarray(rgba).save(stream, "PNG")
    photo = load_photo(stream.getvalue())
    np.testing.assert_array_equal(photo.pixels, rgba[..., :3])
    assert photo.notes == ("every pixel is transparent, so the colours below are used",)
    assert read_extras(stream.getvalue()).rgba is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pixels_are_turned_as_pillow_turns(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = (NOISE >> 8).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", exif=exif)
    np.testing.assert_array_equal(turn(pixels, orientation), load_photo(stream.getvalue()).pixels)
