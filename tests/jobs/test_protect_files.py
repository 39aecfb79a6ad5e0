"""From photos to protected photos: every kind of photo, every way to go wrong."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.faces.photos import load_photo, read_photo
from sfumato.jobs.base import CRASHED
from sfumato.jobs.protect_files import protect_photos
from sfumato.models.protector import ContentProtector
from sfumato.perturbers.editing import Wish

Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")

HIDE = {"gender": "male"}


@pytest.fixture
def protect(brighten):
    """Return a function that protects with the fakes, in this process."""

    def run(source, output, perturber=None, **options):
        perturber = perturber or brighten.BrightenPerturber().fit()
        options = {"hide": HIDE, "detector": brighten.RedDetector(), "workers": 1} | options
        return protect_photos(source, output, perturber, **options)

    return run


@pytest.fixture
def two(photo_of):
    """Return a photo with a face of 80 pixels at (40, 60) and one of 50 at (220, 120)."""
    return photo_of((40, 60, 80), (220, 120, 50))


def save(image, path, *arguments, **options):
    Image.fromarray(image).save(path, *arguments, **options)
    return path


# The crops of the two faces reach 80 / 0.72 / 2 = 56 and 35 pixels from their middles.
FIRST, SECOND = np.s_[44:156, 24:136], np.s_[110:181, 209:281]


def outside(shape, *places):
    found = np.ones(shape[:2], bool)
    for place in places:
        found[place] = False
    return found


def test_png_is_exact_outside_the_faces(protect, two, tmp_path):
    source = save(two, tmp_path / "a.png")
    done = protect(source, tmp_path / "b.png")
    result = read_photo(tmp_path / "b.png")
    rest = outside(two.shape, FIRST, SECOND)
    np.testing.assert_array_equal(result[rest], two[rest])
    assert (result[100, 80] == two[100, 80] + 51).all()
    assert (result[145, 245] == two[145, 245] + 51).all()
    assert done.complete and done.rejects == [] and done.wish.hide == HIDE
    assert [(f["face"], f["crop"]) for f in done.photos[0]["faces"]] == [(0, 128), (1, 128)]
    assert done.photos[0]["image_id"] == "a.png"
    assert done.photos[0]["output"] == str(tmp_path / "b.png")


def test_one_face_alone(protect, two, tmp_path):
    source = save(two, tmp_path / "a.png")
    done = protect(source, tmp_path / "b.png", face=1)
    result = read_photo(tmp_path / "b.png")
    rest = outside(two.shape, SECOND)
    np.testing.assert_array_equal(result[rest], two[rest])
    assert (result[145, 245] > two[145, 245]).all()
    assert [face["face"] for face in done.photos[0]["faces"]] == [1]


def test_small_faces_stay_and_are_named(protect, photo_of, tmp_path):
    image = photo_of((40, 60, 80), (220, 120, 31))
    done = protect(save(image, tmp_path / "a.png"), tmp_path / "b.png")
    reason = "the face is 31 pixels wide, at least 40 are needed"
    assert done.photos[0]["skipped"] == [{"face": 1, "reason": reason}]
    assert not done.complete and done.rejects == []
    result = read_photo(tmp_path / "b.png")
    np.testing.assert_array_equal(result[110:181, 209:281], image[110:181, 209:281])


@pytest.mark.parametrize(
    ("squares", "face", "reason"),
    [
        ((), None, "no face found"),
        ([(40, 60, 31)], None, "the face is 31 pixels wide, at least 40 are needed"),
        ([(40, 60, 80)], 1, "face 1 is asked for, the photo has 1 (numbered from 0, the largest)"),
    ],
)
def test_a_photo_that_cannot_be_protected_is_not_written(
    protect, photo_of, tmp_path, squares, face, reason
):
    source = save(photo_of(*squares), tmp_path / "a.png")
    done = protect(source, tmp_path / "b.png", face=face)
    assert done.rejects == [{"image_id": "a.png", "reason": reason}] and not done.complete
    assert not (tmp_path / "b.png").exists()


def test_a_turned_photo_comes_out_upright(protect, two, tmp_path):
    # Orientation 6: the stored picture is the upright one turned counter-clockwise.
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Canon"
    source = save(np.rot90(two).copy(), tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_photo(source), two)
    for name, options in (("b.png", {}), ("c.png", {"keep_metadata": True})):
        protect(source, tmp_path / name, **options)
        result = read_photo(tmp_path / name)
        rest = outside(two.shape, FIRST, SECOND)
        np.testing.assert_array_equal(result[rest], two[rest])
        assert (result[100, 80] > two[100, 80]).all()
    with Image.open(tmp_path / "c.png") as image:
        assert dict(image.getexif()) == {0x0112: 1, 0x010F: "Canon"}
    with Image.open(tmp_path / "b.png") as image:
        assert not image.getexif()


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA"])
def test_photos_of_other_kinds(protect, photo_of, tmp_path, mode, brighten):
    class Here(brighten.RedDetector):
        def detect(self, image):
            return super().detect(photo_of((40, 60, 80)))

    image = Image.fromarray(photo_of((40, 60, 80))).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    source = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    image.save(source)
    protect(source, tmp_path / "b.png", detector=Here())
    before, after = read_photo(source), read_photo(tmp_path / "b.png")
    rest = outside(before.shape, FIRST)
    np.testing.assert_array_equal(after[rest], before[rest])
    assert after[100, 80].sum() > before[100, 80].sum()
    with Image.open(tmp_path / "b.png") as written:
        assert written.mode == ("RGBA" if mode == "RGBA" else "RGB")


def test_a_jpeg_stays_near(protect, two, tmp_path):
    source = save(two, tmp_path / "a.jpg", quality=95, subsampling=0)
    protect(source, tmp_path / "b.jpg")
    before, after = read_photo(source).astype(int), read_photo(tmp_path / "b.jpg")
    rest = outside(two.shape, np.s_[36:164, 16:144], np.s_[102:189, 201:289])
    assert np.abs(after - before)[rest].max() <= 4
    np.testing.assert_allclose(after[100, 80], before[100, 80] + 51, atol=4)


def test_the_input_is_never_overwritten(protect, two, tmp_path):
    source = save(two, tmp_path / "a.png")
    raw = source.read_bytes()
    (tmp_path / "link.png").symlink_to(source)
    (tmp_path / "hard.png").hardlink_to(source)
    for output in (source, tmp_path / "link.png", tmp_path / "hard.png"):
        with pytest.raises(InputError, match="is an input of this command"):
            protect(source, output, overwrite=True)
    assert source.read_bytes() == raw


def test_an_existing_output_needs_overwrite(protect, two, tmp_path):
    source = save(two, tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"old")
    with pytest.raises(InputError, match="exists already; give another name"):
        protect(source, tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == b"old"
    assert protect(source, tmp_path / "b.png", overwrite=True).complete
    assert read_photo(tmp_path / "b.png").shape == two.shape


def test_bad_requests(protect, two, tmp_path):
    source = save(two, tmp_path / "a.png")
    bad = [
        (tmp_path / "b.bmp", {}, "written as .png"),
        (tmp_path / "no" / "b.png", {}, "no does not exist"),
        (tmp_path, {}, "is a folder; name the photo"),
        (tmp_path / "b.png", {"hide": ["mood"]}, "cannot hide or keep 'mood'; .* gender, age"),
        (tmp_path / "b.png", {"hide": {"age": "dead"}}, "age has no class 'dead'"),
        (tmp_path / "b.png", {"keep": "gender"}, "cannot be both hidden and kept"),
    ]
    for output, options, message in bad:
        with pytest.raises(InputError, match=message):
            protect(source, output, **options)
    with pytest.raises(InputError, match="give a photo or a folder"):
        protect(tmp_path / "a.parquet", tmp_path / "b.png")
    with pytest.raises(InputError, match="no such folder or file"):
        protect(tmp_path / "none.png", tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.fixture
def folder(two, photo_of, tmp_path):
    folder = tmp_path / "photos"
    (folder / "ada").mkdir(parents=True)
    save(two, folder / "a.png")
    save(two, folder / "ada" / "b.BMP")
    save(photo_of(), folder / "empty.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_a_folder_goes_on_after_bad_photos(protect, folder, tmp_path):
    seen = []
    done = protect(folder, tmp_path / "out", progress=lambda *at: seen.append(at))
    assert files(tmp_path / "out") == ["a.png", "ada/b.BMP.png"]
    assert [photo["image_id"] for photo in done.photos] == ["a.png", "ada/b.BMP"]
    reasons = {reject["image_id"]: reject["reason"] for reject in done.rejects}
    assert set(reasons) == {"broken.jpg", "empty.png"}
    assert reasons["broken.jpg"].startswith("not an image")
    assert reasons["empty.png"] == "no face found" and not done.complete
    assert seen[-1] == (4, 4, "photos")


def test_a_folder_again_needs_overwrite_and_gives_the_same(protect, folder, tmp_path):
    protect(folder, tmp_path / "out")
    first = {name: (tmp_path / "out" / name).read_bytes() for name in files(tmp_path / "out")}
    (tmp_path / "out" / "a.png").write_bytes(b"cut off")
    with pytest.raises(InputError, match="not empty; name another folder, or go on"):
        protect(folder, tmp_path / "out")
    protect(folder, tmp_path / "out", overwrite=True)
    assert {n: (tmp_path / "out" / n).read_bytes() for n in files(tmp_path / "out")} == first


def test_a_folder_is_never_written_into_itself(protect, folder):
    before = files(folder)
    (folder.parent / "link").symlink_to(folder)
    for output in (folder, folder / "out", folder.parent, folder.parent / "link" / "out"):
        with pytest.raises(InputError, match="lie in one another"):
            protect(folder, output, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        protect(folder, folder / "a.png")
    assert files(folder) == before


def test_two_photos_with_one_name_to_write_are_refused(protect, folder, two, tmp_path):
    save(two, folder / "a.bmp")
    save(two, folder / "a.bmp.png")
    with pytest.raises(InputError, match="would both be written as"):
        protect(folder, tmp_path / "out")


def test_a_failing_perturber_is_recorded(protect, folder, brighten, tmp_path):
    class Failing(brighten.RedDetector):
        def detect(self, image):
            raise RuntimeError("out of\nluck")

    done = protect(folder / "a.png", tmp_path / "b.png", detector=Failing())
    assert done.rejects[0]["reason"] == "failed with RuntimeError: out of luck"


def test_two_workers_give_what_one_gives(protect, folder, two, tmp_path, brighten):
    light = brighten.LightPerturber()
    for name in "cde":
        save(two, folder / f"{name}.png")
    one = protect(folder, tmp_path / "one", light).to_dict()
    many = protect(folder, tmp_path / "many", light, workers=2).to_dict()
    assert CRASHED.reason not in [reject["reason"] for reject in many["rejects"]]
    for found, name in ((one, "one"), (many, "many")):
        for photo in found["photos"]:
            photo["output"] = Path(photo["output"]).relative_to(tmp_path / name)
    assert one == many
    for name in files(tmp_path / "one"):
        np.testing.assert_array_equal(
            (tmp_path / "one" / name).read_bytes(), (tmp_path / "many" / name).read_bytes()
        )


def test_the_check_sees_what_was_written(protect, two, tmp_path):
    class Check:
        def load(self):
            pass

        def compare(self, before, after, face):
            seen = {"after": int(after[100, 80, 0]), "left": face.box[0]}
            return {"readings": {}, "match": {"accepted": False}, "seen": seen}

    source = save(two, tmp_path / "a.png")
    done = protect(source, tmp_path / "b.png", check=Check())
    found = [face["check"]["seen"] for face in done.photos[0]["faces"]]
    assert found == [{"after": 251, "left": 40}, {"after": 251, "left": 220}]


def test_kept_metadata_and_what_is_left_out(protect, two, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    exif[0x8769] = {0x927C: b"a note of the maker"}
    source = save(two, tmp_path / "a.jpg", exif=exif)
    done = protect(source, tmp_path / "b.jpg", keep_metadata=True)
    assert done.photos[0]["left_out"] == ["the maker's note"]
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif()[0x010F] == "Canon"
    done = protect(source, tmp_path / "c.jpg")
    assert done.photos[0]["left_out"] == []
    with Image.open(io.BytesIO((tmp_path / "c.jpg").read_bytes())) as image:
        assert not image.getexif()


def test_a_protector_can_be_sent_to_a_worker(brighten):
    perturber = brighten.BrightenPerturber().fit()
    protector = ContentProtector(brighten.RedDetector(), perturber, Wish.of(perturber, HIDE))
    assert pickle.loads(pickle.dumps(protector)).wish.hide == HIDE


def test_what_to_show_may_be_drawn(protect, photo_of, tmp_path):
    # Of different sizes: what is drawn depends on the pixels.
    places = [(20 + 90 * n, 20 + 90 * m, 44 + n + 5 * m) for m in range(4) for n in range(5)]
    image = photo_of(*places, height=400, width=480)
    source, changed = save(image, tmp_path / "a.png"), {}
    for name, at_random in {"b.png": False, "c.png": True}.items():
        protect(source, tmp_path / name, hide=["gender"], at_random=at_random)
        result = read_photo(tmp_path / name)
        changed[at_random] = [
            (result[top + 25, left + 25] != image[top + 25, left + 25]).any()
            for left, top, _ in places
        ]
    assert all(changed[False]) and 0 < sum(changed[True]) < len(places)


def test_16_bits_stay_and_the_rest_is_identical(protect, two, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="needs the extra faces")
    noise = np.random.default_rng(0).integers(0, 100, two.shape)
    deep = (two.astype(np.uint16) * 257 + noise).clip(0, 65_535).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep[..., ::-1])
    done = protect(tmp_path / "a.png", tmp_path / "b.png")
    result = load_photo(tmp_path / "b.png").deep
    rest = outside(two.shape, FIRST, SECOND)
    np.testing.assert_array_equal(result[rest], deep[rest])
    # A fifth of 65535 is 13107.
    np.testing.assert_array_equal(result[100, 80, 1:], deep[100, 80, 1:] + 13_107)
    assert done.photos[0]["notes"] == []
    done = protect(tmp_path / "a.png", tmp_path / "b.jpg")
    assert done.photos[0]["notes"] == [
        "its 16-bit values are written as 8 bits, as .jpg has no more"
    ]


def test_what_was_changed_is_measured(protect, two, tmp_path):
    done = protect(save(two, tmp_path / "a.png"), tmp_path / "b.png", face=0)
    (face,) = done.photos[0]["faces"]
    assert face["change"]["max_levels"] == 51.0 and 20 < face["change"]["mean_levels"] < 51


def test_a_change_of_nothing_is_no_success(protect, two, tmp_path):
    source = save(two, tmp_path / "a.png")
    # The fake takes every face for a woman's.
    done = protect(source, tmp_path / "b.png", hide={"gender": "female"})
    reason = (
        "no face was changed: the change is zero: it is taken to show the wished class already"
    )
    assert done.rejects == [{"image_id": "a.png", "reason": reason}] and not done.complete
    assert not (tmp_path / "b.png").exists()


def test_a_verdict_of_readers_decides(protect, two, tmp_path):
    class Check:
        def load(self):
            pass

        def compare(self, before, after, face):
            still = face.box[0] == 220
            said = {
                "before": {"label": "female"},
                "after": {"label": "female" if still else "male"},
            }
            return {"readings": {"a": {"gender": said}}, "match": {"accepted": True}}

    source = save(two, tmp_path / "a.png")
    assert protect(source, tmp_path / "b.png", face=0, check=Check()).complete
    done = protect(source, tmp_path / "c.png", check=Check())
    assert not done.complete and done.to_dict()["verdict"]["hide"]["gender"]["n_failed"] == 1
    unchecked = protect(source, tmp_path / "d.png").to_dict()
    assert unchecked["verdict"] is None and unchecked["n_faces_changed"] == 2
