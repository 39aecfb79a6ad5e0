"""Crops: where the face lies, whole photos, and images of several arrays as one."""

import numpy as np
import pytest

from sfumato.faces.align import ARCFACE
from sfumato.faces.crops import Cropper, Stack, Subset, crop_face

pytest.importorskip("cv2", reason="needs the extra faces")


def test_zoom_1_is_arcfaces_crop_and_less_shows_more():
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop_face(image, ARCFACE, 112, zoom=1), image)
    wide = crop_face(image, ARCFACE, 112, zoom=0.5)
    # Half as large about the middle, black outside.
    assert (wide[:27] == 0).all() and (wide[:, -27:] == 0).all()
    assert wide[29:83, 29:83].std() > 10


def test_whole_photo_keeps_its_corners_in_the_corners():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:20, :40] = (255, 0, 0)
    crop = Cropper(16, None).encode(image, None)
    assert (crop[:7, :7] == (255, 0, 0)).all()
    assert (crop[9:] == 0).all() and (crop[:, 9:] == 0).all()
    again = Cropper(40, None).encode(image[:, :40], None)
    np.testing.assert_array_equal(again, image[:, :40])


def test_stacked_parts_and_subsets_keep_the_order_asked_for():
    images = np.random.default_rng(0).integers(256, size=(9, 2, 2, 3)).astype(np.uint8)
    stack = Stack([images[:4], images[4:5], images[5:]])
    numbers = np.array([8, 0, 4, 4, 5, 3])
    np.testing.assert_array_equal(stack[numbers], images[numbers])
    some = Subset(stack, numbers)
    assert (len(stack), len(some), some.shape) == (9, 6, (6, 2, 2, 3))
    np.testing.assert_array_equal(some[np.array([5, 0])], images[[3, 8]])
    assert stack[np.array([], dtype=int)].shape == (0, 2, 2, 3)
