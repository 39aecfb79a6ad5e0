"""A folder is looked through by content; nothing is left out without a word."""

import importlib.util
import os

import pytest

from sfumato.errors import InputError
from sfumato.faces._opening import what_it_is
from sfumato.faces.folders import look_through
from sfumato.faces.kinds import kind_of
from sfumato.faces.photos import PhotoError, read_photo
from sfumato.faces.sources import open_source

Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (HEIC, "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0isom", "camera RAW"),
        (b"II*\0\x10\0\0\0CR\x02\0", "camera RAW"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"BM is a maker of bread", "text"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "BMP"),
        (b"P6 3 4 255\n", "PPM"),
        ("[1, \u00e9".encode()[:-1], "text"),
        ("a".encode("utf-16"), "text"),
        (b"\x80\0\x81", "unknown content"),
        (b"", "empty file"),
    ],
)
def test_kinds(head, kind):
    assert kind_of(head) == kind


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "in").mkdir(parents=True)
    red = Image.new("RGB", (8, 8), "red")
    red.save(folder / "a.png")
    (folder / "in" / "photo.jpg_large").write_bytes((folder / "a.png").read_bytes())
    (folder / "noend").write_bytes((folder / "a.png").read_bytes())
    return folder


HEIF = importlib.util.find_spec("pillow_heif") is not None


def test_photos_are_found_by_content_and_the_rest_is_named(folder):
    red = (folder / "a.png").read_bytes()
    for name, content in {
        "a.json": b"{}", "b.txt": b"hello", "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "heic_as.jpg": HEIC, "phone": HEIC, "in/m.mov": b"\0\0\0\x14ftypqt  ",
        ".DS_Store": b"\0\0\0\x01", ".h.png": red, "cut.jpg": b"",
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)
    (folder / ".cache").mkdir()
    (folder / "gone.png").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    names, unread = look_through(folder)
    photos = ["a.png", "cut.jpg", "gone.png", "heic_as.jpg", "in/photo.jpg_large"]
    assert names == [*photos, "noend", "phone"]
    assert unread.left_out == {
        "text": ["a.json", "b.txt"],
        "Office or thumbnail database": ["Thumbs.db"],
        "video": ["in/m.mov"],
        "hidden file": [".DS_Store"],
        "hidden folder (not looked through)": [".cache"],
        "hidden photo (begins with a dot; rename it)": [".h.png"],
        "device, pipe or socket": ["pipe"],
    }
    assert unread.missed
    for name, reason in {
        # With the extra heic it is looked into: it holds a header alone.
        "phone": "the HEIC file is damaged" if HEIF else "a HEIC photo; convert it to JPEG",
        "gone.png": "cannot be opened",
    }.items():
        with pytest.raises(PhotoError) as caught:
            read_photo(folder / name)
        assert caught.value.reason.startswith(reason)


def test_the_remedy_of_heic_is_not_what_is_installed():
    assert what_it_is("HEIC").endswith("or pip install 'sfumato[heic]'")
    assert what_it_is("HEIC", ["HEIF"]).startswith("the HEIC file is damaged")
    with pytest.raises(PhotoError, match="the PNG file is damaged"):
        read_photo(b"\x89PNG\r\n\x1a\n")


def test_plainly_other_files_are_no_loss(folder):
    (folder / "a.txt").write_text("hello")
    unread = open_source(folder).unread
    assert not unread.missed and unread.lines() == ["left out: 1 x text: a.txt"]


def test_linked_folders_are_followed_but_not_in_circles(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (8, 8)).save(other / "b.png")
    (folder / "link").symlink_to(other)
    (other / "back").symlink_to(folder)
    names, unread = look_through(folder)
    assert "link/b.png" in names and not [name for name in names if "back" in name]
    assert unread.left_out == {"linked folder that leads back to itself": ["link/back"]}


def test_animations_are_told(folder):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name in ("a.webp", "a.gif", "b.png", "a.tiff"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    assert look_through(folder)[1].notes == {
        "animation, of which the first frame is read": ["a.gif", "a.webp", "b.png"],
        "file of which page 1 is read": ["a.tiff"],
    }


def test_a_single_file_is_told_by_content_too(folder):
    assert open_source(folder / "noend").n_photos == 1
    (folder / "list").write_text("a.png\n", encoding="utf-16")
    source = open_source(folder / "list")
    assert source.listed and source.n_photos == 1
    (folder / "x.bin").write_bytes(b"\x80\0\x81")
    with pytest.raises(InputError, match=r"x.bin: unknown content; give a folder, a photo"):
        open_source(folder / "x.bin")


def test_a_folder_without_photos_says_what_it_found(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(InputError, match=r"no photo in it \(found 1 x text: a.txt\)"):
        open_source(tmp_path)
