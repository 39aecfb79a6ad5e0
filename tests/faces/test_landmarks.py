"""Landmarks of aligned crops, and warps; only one test needs dlib."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

cv2 = pytest.importorskip("cv2")

from sfumato.errors import InputError  # noqa: E402
from sfumato.faces.crops import crop_face  # noqa: E402
from sfumato.faces.landmarks import (  # noqa: E402
    check_shapes,
    face_box,
    face_mask,
    find_landmarks,
    warp_faces,
)

SQUARE = np.array([(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)])


def smooth(size=40, seed=0):
    noise = np.random.default_rng(seed).uniform(size=(size, size, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 4) * 4 - 1.5


def test_the_box_at_zoom_1_is_that_of_the_template():
    # hog_box: half a side of 91.2 / 2 = 45.6 about (56, 73.2) in a crop of 112.
    assert face_box(112, 1.0) == pytest.approx((10.4, 27.6, 101.6, 118.8), abs=1e-6)
    # Half the zoom, half the side, about the crop's middle, 55.5: 55.5 + 0.25 = 55.75 across.
    left, _, right, _ = face_box(112, 0.5)
    assert right - left == pytest.approx(45.6) and (left + right) / 2 == pytest.approx(55.75)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_warp_to_its_own_shape_is_the_picture(rng, dtype):
    images = (rng.uniform(size=(2, 40, 40, 3)) * (200 if dtype == np.uint8 else 1)).astype(dtype)
    shapes = [SQUARE, SQUARE]
    found = warp_faces(images, shapes, SQUARE)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, images)


def test_what_lies_on_a_landmark_goes_where_the_landmark_goes():
    image = np.zeros((40, 40, 1), np.float32)
    image[10, 30] = 1
    target = SQUARE + (4, 3)
    found = warp_faces([image], [SQUARE], target).reshape(40, 40)
    # OpenCV drops a single channel; row 10 + 3, column 30 + 4.
    assert found[13, 34] == 1
    # An edge's middle: half-way between landmarks, whose middle moved by (4, 3) too.
    image[:], image[10, 20] = 0, 1
    assert warp_faces([image], [SQUARE], target).reshape(40, 40)[13, 24] == 1


def test_each_picture_goes_from_its_own_shape():
    images = np.stack([smooth(seed=n) for n in range(3)])
    shapes = np.stack([SQUARE, SQUARE + 2, SQUARE * 1.1])
    together = warp_faces(images, shapes, SQUARE)
    for image, shape, found in zip(images, shapes, together, strict=True):
        np.testing.assert_allclose(warp_faces([image], [shape], SQUARE)[0], found, atol=1e-5)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_there_and_back_is_nearly_the_picture(seed):
    rng = np.random.default_rng(seed)
    image = smooth(seed=seed)
    shape = SQUARE[:, None] * 0.5 + SQUARE * 0.5  # 4 x 4 points
    shape = shape.reshape(-1, 2)
    target = shape + rng.uniform(-1.5, 1.5, shape.shape)
    there = warp_faces([image], [shape], target)
    back = warp_faces(there, [target], shape)[0]
    inner = np.s_[6:-6, 6:-6]
    assert np.abs(back - image)[inner].mean() < 0.02
    # The warp itself did move the picture.
    assert np.abs(there[0] - image)[inner].max() > 0.01


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_any_shape_gives_a_whole_picture(seed):
    # Landmarks anywhere, outside the picture and folded too: no hole, no new colour.
    rng = np.random.default_rng(seed)
    shape, target = rng.uniform(-10, 50, (2, 12, 2))
    image = rng.uniform(size=(40, 40, 3)).astype(np.float32)
    found = warp_faces([image], [shape], target)[0]
    assert np.isfinite(found).all()
    assert image.min() <= found.min() and found.max() <= image.max()


def test_shapes_without_a_face_are_refused_by_row():
    good = check_shapes([SQUARE, SQUARE], 40)
    assert good.shape == (2, 4, 2)
    with pytest.raises(InputError, match=r"landmarks, row 1: they enclose 0 square"):
        check_shapes([SQUARE, SQUARE * 0 + 5], 40)
    with pytest.raises(InputError, match="finite, row 1"):
        check_shapes([SQUARE, SQUARE * np.nan], 40)
    with pytest.raises(InputError, match=r"must have shape .* got \(4, 2\)"):
        check_shapes(SQUARE, 40)


def test_the_mask_is_the_face_with_its_forehead():
    shape = np.tile([32.0, 40.0], (68, 1))
    shape[:17] = [(16 + 2 * n, 44 + n * (16 - n) / 4) for n in range(17)]
    shape[17:27] = [(18 + 3 * n, 28) for n in range(10)]
    shape[27], shape[33] = (32, 30), (32, 42)
    mask = face_mask(shape, 64)
    # Brows at 28, a nose of 12: the forehead ends at 22. The chin is at 60.
    assert mask[40, 32] == pytest.approx(1, abs=1e-3) and mask[25, 32] > 0.9
    assert mask[17, 32] < 0.02 and mask[40, 4] < 0.01
    assert mask.min() >= 0 and mask.max() <= 1 and mask.dtype == np.float32


@pytest.fixture(scope="module")
def photos(shared):
    """Crops of 64 and of 128 pixels of a few faces."""
    pytest.importorskip("dlib")
    pytest.importorskip("face_recognition_models")
    from sfumato.faces.detect import DlibDetector

    images = pq.ParquetFile(shared("data/lfw.parquet")).read_row_group(0, columns=["image"])
    detector, found = DlibDetector(n_landmarks=68), []
    for row in images["image"].to_pylist()[:6]:
        photo = cv2.imdecode(np.frombuffer(row["bytes"], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        face = detector.detect(photo)[0]
        found.append([crop_face(photo, face.landmarks, size) for size in (64, 128)])
    return [np.stack(crops) for crops in zip(*found, strict=True)]


def test_eyes_and_mouths_lie_where_the_crop_put_them(photos):
    shapes = find_landmarks(photos[1])
    assert shapes.shape == (6, 68, 2)
    # ARCFACE x 128 / 112, 0.72 about 63.5: eyes at (49.3, 60.3) and (78.3, 60.1), mouth corners
    # at (52.0, 93.8) and (75.9, 93.6).
    eyes = shapes[:, 36:42].mean(axis=(0, 1)), shapes[:, 42:48].mean(axis=(0, 1))
    np.testing.assert_allclose(eyes, [(49.3, 60.3), (78.3, 60.1)], atol=2)
    np.testing.assert_allclose(
        shapes[:, [48, 54]].mean(axis=0), [(52.0, 93.8), (75.9, 93.6)], atol=3
    )
    # A picture of half the size gives the same shape.
    assert np.abs(find_landmarks(photos[0]) * 2 + 0.5 - shapes).mean() < 1


def test_a_picture_without_a_face_gets_an_answer(photos):
    found = check_shapes(find_landmarks(np.full((1, 64, 64, 3), 90, np.uint8)), 64)
    assert found.min() > 0 and found.max() < 64
