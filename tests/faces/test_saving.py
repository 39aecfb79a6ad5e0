"""Photos are written exactly, with the metadata asked for and no picture hidden in it."""

import io
import struct

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.faces.photos import read_photo
from sfumato.faces.saving import read_extras, save_photo

Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")

MAKER, SOFTWARE, ORIENTATION, EXIF, GPS, NOTE = 0x010F, 0x0131, 0x0112, 0x8769, 0x8825, 0x927C


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)


def jpeg(image, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def directory(entries, following, start):
    """Return a TIFF directory at ``start`` with its values behind it."""
    body, values = struct.pack("<H", len(entries)), b""
    behind = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        if isinstance(value, bytes):
            body += struct.pack("<HHII", tag, kind, count, behind + len(values))
            values += value
        else:
            body += struct.pack("<HHII", tag, kind, count, value)
    return body + struct.pack("<I", following) + values


def exif_with_thumbnail(thumbnail, orientation):
    """Return an EXIF block as cameras write it: directory 1 holds a small JPEG."""
    first = [(MAKER, 2, 6, b"Canon\0"), (ORIENTATION, 3, 1, orientation)]
    second = 8 + len(directory(first, 0, 8))
    place = second + len(directory([(0x0201, 4, 1, 0), (0x0202, 4, 1, 0)], 0, second))
    tags = [(0x0201, 4, 1, place), (0x0202, 4, 1, len(thumbnail))]
    body = directory(first, second, 8) + directory(tags, 0, second) + thumbnail
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + body


@pytest.mark.parametrize("ending", [".png", ".webp", ".PNG"])
def test_png_and_webp_are_exact(pixels, tmp_path, ending):
    save_photo(pixels, tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read_photo(tmp_path / f"a{ending}"), pixels)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]


def test_jpeg_is_fine_and_in_full_colour(pixels, tmp_path):
    save_photo(pixels, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "JPEG" and {c[1:3] for c in image.layer} == {(1, 1)}
    error = np.abs(read_photo(tmp_path / "a.jpg").astype(int) - pixels)
    assert error.mean() < 4


def test_another_ending_is_refused(pixels, tmp_path):
    with pytest.raises(InputError, match=r"a\.bmp: a photo is written as \.png, \.jpg"):
        save_photo(pixels, tmp_path / "a.bmp")


def test_metadata_go_unless_asked_for(pixels, tmp_path):
    exif = Image.Exif()
    exif[MAKER] = "Canon"
    source = jpeg(Image.fromarray(pixels), exif=exif, comment=b"of Ada", xmp=b"<x/>")
    extras = read_extras(source)
    assert extras.options == {} and extras.left_out == []
    save_photo(pixels, tmp_path / "a.jpg", extras=extras)
    with Image.open(tmp_path / "a.jpg") as image:
        assert not image.getexif() and "comment" not in image.info and "xmp" not in image.info


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_kept_metadata_say_upright_and_have_no_thumbnail(pixels, tmp_path, ending):
    thumbnail = jpeg(Image.fromarray(pixels[:8, :8]))
    source = jpeg(Image.fromarray(pixels), exif=exif_with_thumbnail(thumbnail, 6))
    assert thumbnail in source and read_photo(source).shape == (30, 20, 3)
    extras = read_extras(source, keep_metadata=True)
    assert extras.left_out == ["the EXIF thumbnail"]
    path = tmp_path / f"a{ending}"
    save_photo(read_photo(source), path, extras=extras)
    assert thumbnail not in path.read_bytes()
    with Image.open(path) as image:
        assert dict(image.getexif()) == {MAKER: "Canon", ORIENTATION: 1}
        assert image.getexif().get_ifd(-1) == {}
    assert read_photo(path).shape == (30, 20, 3)


def test_previews_in_other_tags_are_left_out(pixels):
    hidden = jpeg(Image.fromarray(pixels[:8, :8]))
    exif = Image.Exif()
    exif[SOFTWARE] = "1.0"
    exif[0x014A] = 99  # Where the sub-pictures of a raw file lie.
    exif[EXIF] = {NOTE: b"note" + hidden, 0x9286: b"words" + hidden, 0x9003: "2020:01:01"}
    exif[GPS] = {1: "N", 2: (48.0, 30.0, 0.0)}
    source = jpeg(Image.fromarray(pixels), exif=exif)
    extras = read_extras(source, keep_metadata=True)
    assert hidden not in extras.options["exif"]
    kept = Image.Exif()
    kept.load(extras.options["exif"])
    assert kept[SOFTWARE] == "1.0" and 0x014A not in kept
    assert kept.get_ifd(EXIF) == {0x9003: "2020:01:01"}
    assert kept.get_ifd(GPS)[1] == "N"


def test_a_makers_note_is_named_as_left_out(pixels):
    exif = Image.Exif()
    exif[EXIF] = {NOTE: b"secret of the maker", 0x9003: "2020:01:01"}
    extras = read_extras(jpeg(Image.fromarray(pixels), exif=exif), keep_metadata=True)
    assert extras.left_out == ["the maker's note"]
    assert b"secret" not in extras.options["exif"]


def test_a_turned_photos_size_is_turned_in_its_metadata(pixels):
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    exif[EXIF] = {0xA002: 30, 0xA003: 20}
    extras = read_extras(jpeg(Image.fromarray(pixels), exif=exif), keep_metadata=True)
    kept = Image.Exif()
    kept.load(extras.options["exif"])
    assert kept.get_ifd(EXIF) == {0xA002: 20, 0xA003: 30}


def test_a_damaged_exif_block_is_left_out(pixels, tmp_path):
    source = jpeg(Image.fromarray(pixels), exif=b"Exif\0\0II*\0garbage" + b"\xff" * 40)
    extras = read_extras(source, keep_metadata=True)
    assert "exif" not in extras.options


def profile(space):
    """Return the head of a colour profile, which names its colour space at byte 16."""
    return bytes(16) + space + bytes(108)


def test_the_colour_profile_stays_if_it_is_of_rgb(pixels, tmp_path):
    source = jpeg(Image.fromarray(pixels), icc_profile=profile(b"RGB "))
    save_photo(pixels, tmp_path / "a.png", extras=read_extras(source))
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["icc_profile"] == profile(b"RGB ")
    press = jpeg(Image.fromarray(pixels).convert("CMYK"), icc_profile=profile(b"CMYK"))
    assert read_extras(press).options == {}


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_transparency_is_kept_and_what_it_hides_is_not(pixels, tmp_path, ending):
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[:, :5], alpha[:, 5:10] = 0, 128
    pixels[0, 7] = pixels[0, 20] = 100
    stream = io.BytesIO()
    Image.fromarray(np.dstack([pixels, alpha])).save(stream, "PNG")
    original = read_photo(stream.getvalue())
    photo = original.copy()
    photo[0, 7] += 10
    photo[0, 20] += 10
    extras = read_extras(stream.getvalue())
    path = tmp_path / f"a{ending}"
    save_photo(photo, path, original=original, extras=extras)
    with Image.open(path) as image:
        found = np.array(image)
    expected = pixels.copy()
    expected[:, :5] = 0
    expected[0, [7, 20]] = 110
    np.testing.assert_array_equal(found, np.dstack([expected, alpha]))
    save_photo(photo, tmp_path / "a.jpg", original=original, extras=extras)
    assert read_photo(tmp_path / "a.jpg")[:, :5].mean() < 20
