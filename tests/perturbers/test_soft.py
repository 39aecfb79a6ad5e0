"""A soft change: smooth fields of no resolution, searched until readers misread a face."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")
cv2 = pytest.importorskip("cv2", reason="needs the extra faces")

from sfumato.errors import InputError  # noqa: E402
from sfumato.faces.align import ARCFACE  # noqa: E402
from sfumato.faces.detect import Face  # noqa: E402
from sfumato.faces.photos import Photo  # noqa: E402
from sfumato.metrics.image import ssim  # noqa: E402
from sfumato.perturbers import photos  # noqa: E402
from sfumato.perturbers._soft_fields import (  # noqa: E402
    BOUNDS,
    SHAPES,
    apply_fields,
    blur,
    face_mask,
    make_fields,
)
from sfumato.perturbers._soft_readers import log_odds, ssim_of  # noqa: E402
from sfumato.perturbers.editing import Wish, edit_photo  # noqa: E402
from sfumato.perturbers.photos import Place, change_photo, change_region  # noqa: E402
from sfumato.perturbers.soft import SoftPerturber  # noqa: E402
from sfumato.readers.tasks import AgeTask, ClassTask  # noqa: E402

SEED = 3


def random_fields(size=160):
    rng = torch.Generator().manual_seed(SEED)
    numbers = {name: 3 * torch.randn(shape, generator=rng) for name, shape in SHAPES.items()}
    return make_fields(numbers, 1.0, blur(torch.rand(1, 3, size, size, generator=rng)))


def whole(size, side):
    """Return the place of a crop that is the whole of a square photo."""
    scale = size / side
    shift = (scale - 1) / 2
    return Place(size, np.array([(scale, 0, shift), (0, scale, shift)]))


def region(photo):
    return slice(0, photo.shape[0]), slice(0, photo.shape[1])


def noise(side, seed=SEED):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


def test_fields_are_bounded_and_leave_the_border():
    fields = random_fields().numpy()
    # Halfway between numbers torch's cubic weighs -3/32, 19/32, 19/32, -3/32: of numbers in
    # [-1, 1] at most 44/32, in both directions 1.375 ** 2 < 1.9.
    assert 0 < np.abs(fields[:2]).max() <= 1.9 * BOUNDS["warp"]
    assert 0 < np.abs(fields[2]).max() <= 1.9 * (BOUNDS["gain"] + BOUNDS["detail"])
    mask = face_mask(160)
    assert mask.max() == 1 and mask[90, 80] == 1
    for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert not edge.any()
    assert not fields[:, mask == 0].any()


def test_no_shade_lies_between_nose_and_mouth():
    numbers = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    numbers["light"] -= 9  # All of the face as dark as may be.
    added = make_fields(numbers, 1.0, torch.rand(1, 3, 160, 160)).numpy()[3]
    lip, cheek = added[106, 80], added[106, 128]
    assert -0.3 * BOUNDS["light"] < lip < 0 and cheek < 2 * lip


def test_contrast_is_to_the_blurred_face():
    numbers = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    numbers["detail"] += 9
    x = 0.4 + 0.2 * torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(SEED))
    blurred, more = blur(x), BOUNDS["detail"] * torch.from_numpy(face_mask(160))
    assert blurred.std() < 0.2 * x.std()
    found = apply_fields(x, make_fields(numbers, 1.0, blurred))
    torch.testing.assert_close(found, x + more * (x - blurred), atol=1e-4, rtol=0)


def test_a_photo_is_shifted_and_lit_as_worked_out_by_hand():
    photo, fields = noise(40), np.zeros((6, 40, 40), np.float32)
    assert not change_region(photo, fields, whole(40, 40), region(photo), 255).any()
    # Each pixel comes from two to its right and one below: 2 / 40 and 1 / 40 of the side.
    fields[0], fields[1] = 2 / 40, 1 / 40
    found = photo + change_region(photo, fields, whole(40, 40), region(photo), 255)
    np.testing.assert_allclose(found[:-1, :-2], photo[1:, 2:], atol=1e-3)
    # Half as light, and a tenth of white more of red.
    fields[:2], fields[2], fields[3] = 0, -0.5, 0.1
    found = photo + change_region(photo, fields, whole(40, 40), region(photo), 255)
    np.testing.assert_allclose(found, photo * 0.5 + [25.5, 0, 0], atol=1e-3)


def test_of_any_size_a_photo_gets_the_same_curves():
    fields = random_fields().numpy()
    wave = 0.5 + 0.3 * np.sin(np.linspace(0, 6, 480))
    large = np.rint(255 * np.outer(wave, wave)[..., None].repeat(3, -1)).astype(np.uint8)
    small = cv2.resize(large, (160, 160), interpolation=cv2.INTER_AREA)
    found = [
        change_region(photo, fields, whole(160, len(photo)), region(photo), 255)
        for photo in (large, small)
    ]
    reduced = cv2.resize(found[0], (160, 160), interpolation=cv2.INTER_AREA)
    assert np.abs(found[1]).max() > 10
    np.testing.assert_allclose(reduced, found[1], atol=2.5)
    # As the crop itself is changed in the search.
    x = torch.from_numpy(small.transpose(2, 0, 1)[None] / np.float32(255))
    expected = 255 * (apply_fields(x, torch.from_numpy(fields)) - x)[0].permute(1, 2, 0).numpy()
    found = np.clip(small + found[1], 0, 255) - small
    np.testing.assert_allclose(found, expected, atol=2.5)


def test_in_a_large_photo_the_change_has_no_steps():
    """Between neighbours a smooth change differs little, and so do its differences."""
    fields, side = random_fields().numpy(), 2_000
    place = whole(160, side)
    rows = slice(900, 904), slice(300, 1_700)
    found = place.fields_at(fields, rows)[:3, 0].astype(float)
    steps = np.abs(np.diff(found, 2, axis=-1)).max(axis=-1)
    # A wave of 160 / 9 crop's pixels and this height has differences of (2 pi / 222) ** 2 of it.
    most = 4 * (2 * np.pi * 9 / side) ** 2 * np.abs(found).max(axis=-1)
    assert (steps < most + 1e-6).all() and steps.max() > 0


def test_bands_give_what_the_whole_gives(monkeypatch):
    photo, fields, place = noise(120), random_fields().numpy(), whole(160, 120)

    def changed():
        canvas = photo.copy()

        def part(rows):
            return change_region(photo, fields, place, rows, 255)

        change_photo(canvas, part, place)
        return canvas

    expected = changed()
    monkeypatch.setattr(photos, "BAND_PIXELS", 1_000)
    # OpenCV computes with whole 32nds of pixels, counted from a band's corner.
    np.testing.assert_allclose(changed(), expected, atol=2)
    assert not np.array_equal(expected, photo)


def test_likeness_is_that_of_the_metric():
    x, y = (np.random.default_rng(n).random((1, 3, 128, 128), np.float32) for n in (0, 1))
    y = 0.7 * x + 0.3 * y
    found = float(ssim_of(torch.from_numpy(x), torch.from_numpy(y)))
    assert found == pytest.approx(float(ssim(x, y)[0]), abs=1e-4)


def test_log_odds_by_hand():
    tasks = {
        "gender": ClassTask("gender", ("female", "male"), temperature=2.0),
        "age_years": AgeTask("age_years", (20, 30, 40, 50)),
    }
    # Older than 20, than 30 and than 40 years: levels of at least 30, 40 and 50.
    logits = {
        "gender": torch.tensor([[1.0, 5.0]]),
        "age_years": torch.tensor([[4.0, 1.0, -3.0]]),
    }

    def odds(attribute, shown):
        return float(log_odds(tasks, logits, attribute, shown))

    assert odds("gender", "male") == 2.0 and odds("gender", "female") == -2.0
    assert odds("age", "young") == -1.0 and odds("age", "old") == -3.0
    assert odds("age", "middle") == 1.0
    assert log_odds({}, {}, "race", "white") is None


def test_what_the_readers_do_not_read_is_refused():
    images = np.zeros((2, 3, 16, 16), np.float32)
    with pytest.raises(InputError, match="mood: the readers must read all its classes, got calm"):
        SoftPerturber().fit(images, {"mood": ["calm", "happy"]})


@pytest.fixture(scope="module")
def soft():
    images, labels = np.zeros((2, 3, 16, 16), np.float32), {"gender": ["female", "male"]}
    return SoftPerturber(n_steps=2, readers="pixels").fit(images, labels)


def test_a_drawn_class_changes_a_picture_that_shows_it_too(soft):
    images = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    labels = {"gender": ["male", "female"]}
    found = soft.transform(images, hide="gender", labels=labels, at_random=True)
    assert (np.abs(found - images).max(axis=(1, 2, 3)) > 1e-3).all()


def test_a_photo_is_changed_at_its_own_size_within_the_face(soft):
    photo = noise(600)
    landmarks = (ARCFACE - 56) * 3 + 300
    face = Face((130, 130, 470, 470), 1.0, landmarks)
    wish = Wish.of(soft, "gender", labels={"gender": "male"})
    edited = edit_photo(Photo(photo), [face], soft, wish)
    assert edited.changed[0].crop == 160
    moved = np.argwhere((edited.photo.pixels != photo).any(axis=-1))
    # A crop of ArcFace's face three times as large: 3 * 112 / 0.72 = 467 pixels about 300.
    assert moved.min() > 300 - 234 and moved.max() < 300 + 234
    assert len(moved) > 10_000


def test_the_network_of_dlib_is_its_twin():
    encoders = pytest.importorskip("sfumato.faces.encoders")
    pytest.importorskip("face_recognition_models", reason="needs the extra faces")
    from sfumato.faces.dlib_resnet import pixels
    from sfumato.perturbers._soft_readers import machine

    chip = noise(150)
    with torch.no_grad():
        found = machine("dlib").net(torch.from_numpy(pixels(chip)))[0].numpy()
    np.testing.assert_allclose(found, encoders.make_encoder("dlib").encode_chip(chip), atol=1e-5)


def test_both_readers_misread_a_real_face(shared):
    """The leak before, then its absence, and the person kept; dlib's matcher and readers."""
    pytest.importorskip("face_recognition_models", reason="needs the extra faces")
    import pyarrow.parquet as pq

    from sfumato.audit.pictures import look
    from sfumato.faces.crops import crop_face
    from sfumato.faces.detectors import make_detector
    from sfumato.faces.encoders import make_encoder
    from sfumato.faces.photos import read_photo
    from sfumato.models import load
    from sfumato.readers.files import shipped_reader

    row = next(pq.ParquetFile(shared("data/lfw.parquet")).iter_batches(1)).to_pylist()[0]
    photo = read_photo(row["image"]["bytes"])
    face = make_detector("dlib").detect(photo)[0]
    images = crop_face(photo, face.landmarks, 128).transpose(2, 0, 1)[None] / np.float32(255)
    machines = (
        {name: shipped_reader(name) for name in ("pixels", "dlib")},
        {"dlib": make_encoder("dlib")},
    )
    changed = load("soft").set_params(n_steps=12).transform(images, hide="gender")
    before, after = look(images, *machines), look(changed, *machines)
    for name in ("pixels", "dlib"):
        male, then = (float(seen.scores[name, "gender"][0]) for seen in (before, after))
        assert abs(male - 0.5) > 0.4 and abs(then - male) > 0.3
    assert np.linalg.norm(after.templates["dlib"] - before.templates["dlib"]) < 0.541
    assert ssim(images, changed)[0] > 0.9
