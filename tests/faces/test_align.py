"""Alignment against hand-worked transforms and a slow least-squares twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.faces.align import (
    ARCFACE,
    DLIB_FIVE,
    align_arcface,
    crop_box,
    hog_box,
    landmarks_of_five,
    similarity,
    warp,
)

pytest.importorskip("cv2", reason="needs the extra faces")


def apply(matrix, points):
    return np.column_stack([points, np.ones(len(points))]) @ matrix.T


def turned(points, degrees, scale, shift):
    angle = np.deg2rad(degrees)
    rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return scale * np.asarray(points) @ rotation.T + shift


def test_similarity_by_hand():
    # A quarter turn, twice as large, moved by (3, 4): (x, y) -> (3 - 2 y, 4 + 2 x).
    matrix = similarity([(0, 0), (1, 0), (0, 1)], [(3, 4), (3, 6), (1, 4)])
    np.testing.assert_allclose(matrix, [(0, -2, 3), (2, 0, 4)], atol=1e-12)


@given(
    st.floats(-180, 180),
    st.floats(0.01, 100),
    st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)),
)
def test_a_moved_template_maps_back_onto_the_template(degrees, scale, shift):
    landmarks = turned(ARCFACE, degrees, scale, shift)
    np.testing.assert_allclose(
        apply(similarity(landmarks, ARCFACE), landmarks), ARCFACE, atol=1e-5
    )


@given(st.integers(0, 2**32 - 1))
def test_similarity_is_the_least_squares_solution(seed):
    rng = np.random.default_rng(seed)
    source = ARCFACE + rng.normal(0, 5, (5, 2))
    target = turned(ARCFACE, rng.uniform(-180, 180), rng.uniform(0.2, 5), rng.normal(0, 99, 2))
    target += rng.normal(0, 5, (5, 2)) * rng.uniform(0, 1)
    # Twin: x' = a x - b y + u, y' = b x + a y + v is linear in (a, b, u, v).
    rows = []
    for x, y in source:
        rows += [(x, -y, 1, 0), (y, x, 0, 1)]
    (a, b, u, v), *_ = np.linalg.lstsq(np.array(rows), target.reshape(-1), rcond=None)
    np.testing.assert_allclose(similarity(source, target), [(a, -b, u), (b, a, v)], atol=1e-8)


def test_a_mirrored_face_is_not_mirrored_back():
    mirrored = ARCFACE * (-1, 1)
    assert np.linalg.det(similarity(mirrored, ARCFACE)[:, :2]) > 0


@pytest.mark.parametrize(
    ("landmarks", "words"),
    [
        (np.zeros((4, 2)), "shape"),
        (np.full((5, 2), np.nan), "finite"),
        (np.ones((5, 2)), "coincide"),
    ],
)
def test_bad_landmarks(landmarks, words):
    with pytest.raises(InputError, match=words):
        similarity(landmarks, ARCFACE)


def ramp(height, width, unit=1):
    """Return an image whose red is the column and green the row, in units of pixels."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x // unit, y // unit, x * 0], axis=2).astype(np.uint8)


@pytest.mark.parametrize("size", [112, 224])
def test_pixels_land_where_landmarks_say(size):
    image = ramp(250, 250)
    landmarks = turned(ARCFACE, 20, 1.2, (60, 20))
    crop = align_arcface(image, landmarks, size)
    assert crop.shape == (size, size, 3)
    for spot, landmark in zip(np.rint(ARCFACE * size / 112).astype(int), landmarks, strict=True):
        np.testing.assert_allclose(crop[spot[1], spot[0], :2], landmark, atol=1.5)


def test_pixels_land_right_when_the_face_is_shrunk_a_lot():
    # Six times larger than the crop, so averaging comes first; one unit is 6 pixels.
    image = ramp(1200, 1200, unit=6)
    landmarks = turned(ARCFACE, -15, 6.4, (120, 350))
    crop = align_arcface(image, landmarks)
    for spot, landmark in zip(np.rint(ARCFACE).astype(int), landmarks, strict=True):
        np.testing.assert_allclose(crop[spot[1], spot[0], :2], landmark / 6 - 0.5, atol=1.5)


def test_shrinking_does_not_alias():
    # Means of 8 x 8 independent pixels have an eighth of their spread, single pixels all of it.
    image = np.random.default_rng(0).integers(0, 256, (640, 640, 3), dtype=np.uint8)
    crop = crop_box(image, (40, 40, 600, 600), size=70)
    assert crop.std() < 1.2 * image.std() / 8


def test_outside_the_photo_is_black():
    white = np.full((100, 100, 3), 255, np.uint8)
    # The photo's column 0 is the crop's column 60, and its last row the crop's row 99.
    crop = align_arcface(white, ARCFACE - (60, 0))
    assert crop[:, :60].max() == 0 and crop[100:].max() == 0
    assert crop[:100, 60:].min() == 255


def test_crop_box_by_hand():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(crop_box(image, (0, 0, 4, 4), size=4), image)
    # Halved: the mean of every 2 x 2 block, (0 + 1 + 4 + 5) / 4 = 2.5, ...
    halved = crop_box(image, (0, 0, 4, 4), size=2)[..., 0]
    np.testing.assert_allclose(halved, [(2.5, 4.5), (10.5, 12.5)], atol=0.51)
    # A flat box grows to a square, here from row 0.5 to 2.5: means of two rows each.
    flat = crop_box(image, (1, 1, 3, 2), size=2)[..., 0]
    np.testing.assert_array_equal(flat, [(3, 4), (7, 8)])
    tall = crop_box(image, (1, 1, 2, 3), size=2)[..., 0]
    # Columns 0.5 to 2.5: (4 + 5) / 2, (5 + 6) / 2, ...
    np.testing.assert_allclose(tall, [(4.5, 5.5), (8.5, 9.5)], atol=0.51)
    # Half of the box's side more on every side: all of the photo.
    grown = crop_box(image, (1, 1, 3, 3), size=4, margin=0.5)
    np.testing.assert_array_equal(grown, image)
    # Black fills up the incomplete last blocks: (2 + 6) / 4, (8 + 9) / 4 and 10 / 4.
    odd = crop_box(image[:3, :3], (0, 0, 4, 4), size=2)[..., 0]
    np.testing.assert_allclose(odd, [(2.5, 8 / 4), (17 / 4, 10 / 4)], atol=0.51)
    corner = crop_box(image, (-2, -2, 2, 2), size=4)[..., 0]
    np.testing.assert_array_equal(corner, [[0] * 4, [0] * 4, [0, 0, 0, 1], [0, 0, 4, 5]])


@pytest.mark.parametrize("box", [(5, 0, 5, 9), (0, 9, 5, 2)])
def test_empty_boxes_are_refused(box):
    with pytest.raises(InputError, match="left < right"):
        crop_box(np.zeros((9, 9, 3), np.uint8), box)
    with pytest.raises(InputError, match="margin"):
        crop_box(np.zeros((9, 9, 3), np.uint8), (0, 0, 5, 5), margin=-1)


def test_warp_takes_photos_wider_than_16_bits():
    image = np.zeros((4, 40_000, 3), np.uint8)
    image[:, 39_990:] = 200
    view = warp(image, np.array([(1.0, 0, -39_988), (0, 1, 0)]), 4)
    np.testing.assert_array_equal(view[0, :, 0], [0, 0, 200, 200])


def test_hog_box_by_hand():
    # On the template itself: 91.2 wide around (56, 73.2); doubled and moved by (10, -5).
    np.testing.assert_allclose(hog_box(ARCFACE), (10.4, 27.6, 101.6, 118.8))
    np.testing.assert_allclose(hog_box(2 * ARCFACE + (10, -5)), (30.8, 50.2, 213.2, 232.6))


def test_landmarks_of_dlibs_five_points_align_as_these_do():
    # Turned by 90 degrees, three times as large, moved: (x, y) -> (-3 y + 100, 3 x + 7).
    def moved(points):
        return np.column_stack([100 - 3 * points[:, 1], 7 + 3 * points[:, 0]])

    np.testing.assert_allclose(landmarks_of_five(moved(DLIB_FIVE)), moved(ARCFACE), atol=1e-9)
    # dlib names the right eye of the image first.
    assert DLIB_FIVE[0, 0] > DLIB_FIVE[1, 0] > DLIB_FIVE[3, 0] > DLIB_FIVE[2, 0]
