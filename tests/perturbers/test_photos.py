"""A face's change lands on the face, fades to nothing, and touches no other pixel."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE
from sfumato.faces.crops import crop_face, crop_matrix
from sfumato.faces.detect import Face
from sfumato.faces.photos import Photo
from sfumato.perturbers.editing import Wish, edit_photo
from sfumato.perturbers.photos import (
    Place,
    add_change,
    choose_faces,
    crop_size,
    fade,
)

cv2 = pytest.importorskip("cv2", reason="needs the extra faces")

HIDE = {"gender": "male"}


def landmarks(scale=1.0, angle=0.0, shift=(0.0, 0.0)):
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return (ARCFACE - 56) * scale @ turn.T + np.array(shift)


def face_at(points):
    return Face((0, 0, 99, 99), 1.0, points)


def edit(image, faces, perturber, hide):
    """Return the pixels after a change of faces, and these."""
    edited = edit_photo(Photo(image), faces, perturber, Wish.of(perturber, hide))
    return edited.photo.pixels, edited.changed


@pytest.mark.parametrize("hide", ["race", ["gender", "race"], {"race": "white"}])
def test_race_is_hidden_only_where_that_is_allowed(hide):
    shown = {"gender": ("female", "male"), "race": ("black", "white")}
    perturber = SimpleNamespace(shown_=shown, attributes_=shown)
    with pytest.raises(InputError, match="^hide: to change race paints .* --allow-race"):
        Wish.of(perturber, hide)
    assert "race" in Wish.of(perturber, hide, allow_race=True).hide
    assert Wish.of(perturber, "gender", keep="race").keep == ("race",)


def covered(points, shape):
    """Return which pixels of the photo lie within the crop."""
    size = crop_size(points)
    matrix = crop_matrix(points, size)
    y, x = np.indices(shape)
    u, v = (matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2] for i in (0, 1))
    return (u > 0) & (u < size - 1) & (v > 0) & (v < size - 1)


@pytest.mark.parametrize(
    ("scale", "size"),
    # A crop shows 112 / 0.72 = 155.6 pixels of a face at ArcFace's scale: 155.6 scale.
    [(0.2, 64), (0.41, 64), (0.42, 128), (0.82, 128), (0.83, 256), (1.65, 512), (9.0, 512)],
)
def test_the_crop_is_the_smallest_that_loses_nothing(scale, size):
    assert crop_size(landmarks(scale, 0.3)) == size


@pytest.mark.parametrize("size", [64, 128, 512])
def test_fade_by_hand(size):
    weights = fade(size)
    edge = np.concatenate([weights[0], weights[-1], weights[:, 0], weights[:, -1]])
    assert (edge == 0).all()
    inner = slice(size // 8, -size // 8)
    assert (weights[inner, inner] == 1).all()
    # Half-way into the fade the cubic 3 t^2 - 2 t^3 is a half.
    assert weights[size // 16, size // 2] == 0.5
    np.testing.assert_array_equal(weights, weights.T)
    np.testing.assert_array_equal(weights, weights[::-1])


@pytest.mark.parametrize("angle", [0.0, 0.6, 2.5])
def test_nothing_else_changes_and_the_face_does(brighten, angle):
    image = np.random.default_rng(0).integers(0, 200, (240, 300, 3)).astype(np.uint8)
    before = image.copy()
    points = landmarks(0.7, angle, (150, 120))
    perturber = brighten.BrightenPerturber().fit()
    photo, changed = edit(image, [face_at(points)], perturber, HIDE)
    assert [face.crop for face in changed] == [128]
    np.testing.assert_array_equal(image, before)
    inside = covered(points, image.shape[:2])
    assert 0.1 < inside.mean() < 0.2
    np.testing.assert_array_equal(photo[~inside], image[~inside])
    # 0.2 of 255 is 51, in full where the mask is 1.
    spot = np.rint(points.mean(axis=0)).astype(int)
    middle = np.s_[spot[1] - 15 : spot[1] + 15, spot[0] - 15 : spot[0] + 15]
    np.testing.assert_array_equal(photo[middle], image[middle] + 51)


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_no_seam(brighten, angle):
    image = np.full((300, 300, 3), 90, np.uint8)
    points = landmarks(0.8, angle, (150, 150))
    perturber = brighten.BrightenPerturber().fit()
    photo, _ = edit(image, [face_at(points)], perturber, HIDE)
    change = (photo[..., 0].astype(float) - 90) / 51
    steps = np.hypot(*np.gradient(change))
    inside = covered(points, change.shape)
    core = cv2.erode(inside.astype(np.uint8), np.ones((3, 3))) > 0
    border = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3))) > core
    assert steps[border].max() < 0.7 * steps[core].max()
    # The cubic's steepest step: 1.5 over an eighth of the crop, about 15 pixels of the photo;
    # half a level of rounding on either side.
    assert steps.max() < 1.5 / 15 * np.sqrt(2) + 1 / 51


@settings(max_examples=15)
@given(st.floats(0.4, 3.0), st.floats(-3, 3), st.tuples(*[st.floats(130, 170)] * 2))
def test_a_change_comes_back_where_it_was_cut_out(scale, angle, shift):
    # Crop the changed photo again: it differs from the first crop by the change.
    image = np.full((300, 300, 3), 100, np.uint8)
    photo = image.copy()
    points = landmarks(scale, angle, shift)
    place = Place.of(points)
    size = place.size
    u, v = np.meshgrid(*[np.linspace(-np.pi, np.pi, size)] * 2)
    change = np.stack([50 * np.cos(u / 2), 50 * np.sin(u), 50 * np.sin(v)], axis=2)
    add_change(photo, change.astype(np.float32), place)
    change *= fade(size)[..., None]
    seen = crop_face(photo, points, size).astype(float) - crop_face(image, points, size)
    known = crop_face(np.full_like(image, 255), points, size)[..., 0] == 255
    assert np.abs(seen - change)[known].max() < 4


def test_a_change_of_many_rows_is_added_in_bands_and_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 280, 3), dtype=np.uint8)
    places = [Place.of(landmarks(1.5, 0.3, shift)) for shift in ((140, 150), (170, 120))]
    change = rng.uniform(-60, 60, (places[0].size, places[0].size, 3)).astype(np.float32)
    found, n_pixels = [], []
    to_photo = Place.to_photo

    def counted(self, values, region):
        n_pixels.append(np.prod([part.stop - part.start for part in region]))
        return to_photo(self, values, region)

    monkeypatch.setattr(Place, "to_photo", counted)
    for most in (2_000_000, 5_000):
        monkeypatch.setattr("sfumato.perturbers.photos.BAND_PIXELS", most)
        n_pixels.clear()
        photo = image.copy()
        found.append((photo, *add_change(photo, change, places[0], places[1:])))
        assert max(n_pixels) <= most
    np.testing.assert_allclose(found[0][0].astype(int), found[1][0].astype(int), atol=1)
    np.testing.assert_allclose(found[0][1:], found[1][1:], rtol=1e-3)
    assert found[0][1] > 5


@pytest.mark.parametrize("shift", [(0, 0), (200, 100), (-30, 150), (205, 210)])
def test_a_face_at_the_edge_of_the_photo(brighten, shift):
    image = np.full((200, 200, 3), 90, np.uint8)
    points = landmarks(0.6, 0.2, shift)
    perturber = brighten.BrightenPerturber().fit()
    photo, _ = edit(image, [face_at(points)], perturber, HIDE)
    inside = covered(points, (200, 200))
    np.testing.assert_array_equal(photo[~inside], 90)
    assert photo.max() > 90


def test_a_face_outside_the_photo_changes_nothing():
    photo = np.full((50, 50, 3), 90, np.uint8)
    change = np.full((64, 64, 3), 40, np.float32)
    for shift in ((-300, 20), (300, 20), (20, -300), (20, 300)):
        add_change(photo, change, Place(64, crop_matrix(landmarks(0.4, 0, shift), 64)))
    assert (photo == 90).all()


def test_bright_and_dark_pixels_are_clipped_not_wrapped():
    photo = np.full((60, 60, 3), 250, np.uint8)
    place = Place(40, np.eye(2, 3))
    add_change(photo, np.full((40, 40, 3), 30, np.float32), place)
    assert photo[20, 20, 0] == 255 and photo[55, 55, 0] == 250
    add_change(photo, np.full((40, 40, 3), -300, np.float32), place)
    assert photo[20, 20, 0] == 0


@pytest.mark.parametrize("distance", [0, 20, 60, 90])
def test_neighbours_share_what_their_crops_share(brighten, distance):
    # Crops of 93 pixels: the change is nowhere more than one face's, and has no seam.
    image = np.full((200, 300, 3), 90, np.uint8)
    faces = [face_at(landmarks(0.6, 0, (100 + shift, 100))) for shift in (0, distance)]
    perturber = brighten.BrightenPerturber().fit()
    photo, _ = edit(image, faces, perturber, HIDE)
    change = photo[..., 0].astype(float) - 90
    assert 51 <= change.max() <= 52
    # Both middles have it in full, and so has the way between them if they are near.
    np.testing.assert_allclose(change[100, [100, 100 + distance]], 51, atol=1)
    if distance <= 60:
        np.testing.assert_allclose(change[100, 100 : 100 + distance + 1], 51, atol=1)
    # The steepest step of one fade, 51 * 1.5 / (93 / 8) = 6.6, twice where both fade at once.
    assert np.abs(np.diff(change, axis=1)).max() <= 2 * 6.6 + 1
    swapped, _ = edit(image, faces[::-1], perturber, HIDE)
    assert np.abs(swapped.astype(int) - photo).max() <= 1


def test_free_classes_differ_from_face_to_face_and_repeat(brighten):
    rng = np.random.default_rng(1)
    perturber = brighten.BrightenPerturber(by=0.1).fit()
    points = landmarks(0.3, 0, (40, 40))

    def shown(image):
        photo, _ = edit(image, [face_at(points)], perturber, "age")
        return int(photo[40, 40, 0]) - int(image[40, 40, 0])

    images = rng.integers(0, 180, (12, 80, 80, 3)).astype(np.uint8)
    steps = [shown(image) for image in images]
    # Middle or old instead of young: one step of 0.1 or two.
    assert {round(step / 25.5) for step in steps} == {1, 2}
    assert steps == [shown(image) for image in images]


def boxes(*widths):
    return [Face((0, 0, width, width), 1.0, np.zeros((5, 2))) for width in widths]


def test_which_faces():
    faces = boxes(90, 60, 31)
    chosen, small = choose_faces(faces)
    assert chosen == [(0, faces[0]), (1, faces[1])]
    assert small == {2: "the face is 31 pixels wide, at least 40 are needed"}
    assert choose_faces(faces, 1) == ([(1, faces[1])], {})


@pytest.mark.parametrize(
    ("widths", "face", "reason"),
    [
        ((), None, "no face found"),
        ((), 0, "no face found"),
        ((31,), None, "the face is 31 pixels wide, at least 40 are needed"),
        ((90, 31), 1, "the face is 31 pixels wide, at least 40 are needed"),
        ((90, 80), 2, r"face 2 is asked for, the photo has 2 \(numbered from 0"),
        ((90,), -1, "face -1 is asked for, the photo has 1"),
    ],
)
def test_faces_that_cannot_be_protected(widths, face, reason):
    with pytest.raises(InputError, match=reason):
        choose_faces(boxes(*widths), face)
