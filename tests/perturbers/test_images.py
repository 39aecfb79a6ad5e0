"""Pictures: what is refused, and that reading in batches changes nothing."""

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.faces.crops import Stack
from sfumato.perturbers.images import Pictures, check_images, resized

torch = pytest.importorskip("torch", reason="needs the extra deep")


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (np.zeros((2, 8, 8, 3)), r"shape \(n_images, 3, height, width\), got \(2, 8, 8, 3\)"),
        (np.zeros((0, 3, 8, 8)), "got"),
        (np.zeros((1, 3, 8, 8), np.uint8), "floats in \\[0, 1\\], got uint8"),
        (np.full((1, 3, 8, 8), 1.5), "from 1.5 to 1.5"),
        (np.full((1, 3, 8, 8), np.nan), "image 0 has a NaN"),
    ],
)
def test_bad_pictures_are_refused(images, match):
    with pytest.raises(InputError, match=match):
        check_images(images)


def test_good_pictures_become_float32():
    assert check_images(np.ones((1, 3, 2, 2))).dtype == np.float32


def test_bytes_floats_and_stacks_are_read_alike():
    images = np.random.default_rng(0).integers(256, size=(5, 32, 32, 3)).astype(np.uint8)
    floats = images.transpose(0, 3, 1, 2) / 255
    rows = np.array([4, 1])
    expected = torch.from_numpy(floats[rows]).float()
    for given in (images, Stack([images[:2], images[2:]]), floats):
        pictures = Pictures(given, 32)
        assert len(pictures) == 5
        torch.testing.assert_close(pictures.batch(rows), expected, rtol=0, atol=1e-6)
        assert pictures.batch(rows).shape == (2, 3, 32, 32)
        assert Pictures(given, 16).batch(rows).shape == (2, 3, 16, 16)


def test_smaller_is_the_mean_of_larger():
    x = np.zeros((1, 3, 64, 64), np.float32)
    x[..., ::2] = 1.0
    np.testing.assert_allclose(resized(x, 16, 16).numpy(), 0.5, atol=0.06)
    assert resized(x, 64, 64).shape == (1, 3, 64, 64)
