"""SSIM and PSNR: by hand, by a slow twin, by other libraries, and their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfumato.errors import InputError
from sfumato.metrics.image import psnr, ssim

PICTURES = arrays(np.float64, (2, 3, 12, 13), elements=st.floats(0, 1, width=32))


def noisy(rng, n=3, height=20, width=17):
    x = rng.random((n, 3, height, width))
    return x, np.clip(x + rng.normal(0, 0.2, x.shape), 0, 1)


def constant(value):
    return np.full((1, 3, 15, 14), value)


def test_ssim_of_constant_pictures_by_hand():
    # No variance: the second factor is C2 / C2. C1 = 0.01 ** 2 = 0.0001.
    # (2 * 0.5 * 0.25 + 0.0001) / (0.25 + 0.0625 + 0.0001) = 0.2501 / 0.3126.
    np.testing.assert_allclose(ssim(constant(0.5), constant(0.25)), [0.2501 / 0.3126])
    # Black against white: 0.0001 / 1.0001.
    np.testing.assert_allclose(ssim(constant(0.0), constant(1.0)), [0.0001 / 1.0001])


def test_ssim_sees_luminance_alone():
    # Luminance 0.299 of red against the same grey.
    red = constant(0.0)
    red[:, 0] = 1
    np.testing.assert_allclose(ssim(red, constant(0.299)), [1.0], atol=1e-6)


def test_ssim_is_that_of_the_papers_equation(rng):
    images, others = noisy(rng)
    g = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(g, g) / np.outer(g, g).sum()
    expected = []
    for image, other in zip(images, others, strict=True):
        x, y = (0.299 * a[0] + 0.587 * a[1] + 0.114 * a[2] for a in (image, other))
        values = []
        for row in range(x.shape[0] - 10):
            for column in range(x.shape[1] - 10):
                p, q = (a[row : row + 11, column : column + 11] for a in (x, y))
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                both = (window * (p - mp) * (q - mq)).sum()
                top = (2 * mp * mq + 1e-4) * (2 * both + 9e-4)
                values.append(top / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
        expected.append(np.mean(values))
    np.testing.assert_allclose(ssim(images, others), expected, atol=1e-6)


def test_ssim_is_that_of_scikit_image(rng):
    metrics = pytest.importorskip("skimage.metrics")
    grey = [np.repeat(x[:, :1], 3, axis=1) for x in noisy(rng)]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        metrics.structural_similarity(a[0], b[0], data_range=1.0, **options)
        for a, b in zip(*grey, strict=True)
    ]
    np.testing.assert_allclose(ssim(*grey), expected, atol=1e-5)


def test_ssim_is_that_of_kornia(rng):
    torch = pytest.importorskip("torch")
    kornia = pytest.importorskip("kornia.metrics")
    grey = [np.repeat(x[:, :1], 3, axis=1) for x in noisy(rng)]
    tensors = [torch.from_numpy(x[:, :1].astype(np.float32)) for x in grey]
    expected = kornia.ssim(*tensors, window_size=11, padding="valid").mean(dim=(1, 2, 3))
    np.testing.assert_allclose(ssim(*grey), expected.numpy(), atol=1e-4)


@settings(max_examples=30)
@given(PICTURES, PICTURES)
def test_properties(images, others):
    similar, ratio = ssim(images, others), psnr(images, others)
    assert (np.abs(similar) <= 1 + 1e-9).all() and (ratio >= 0).all()
    np.testing.assert_allclose(similar, ssim(others, images), atol=1e-9)
    np.testing.assert_array_equal(ratio, psnr(others, images))
    np.testing.assert_allclose(ssim(images, images), 1)
    np.testing.assert_array_equal(psnr(images, images), np.inf)
    # A picture's value is its own, whatever else is in the batch.
    np.testing.assert_array_equal(similar[1:], ssim(images[1:], others[1:]))


def test_more_noise_is_less_alike(rng):
    x, noise = rng.random((1, 3, 32, 32)), rng.normal(size=(1, 3, 32, 32))
    noisier = [np.clip(x + noise * scale, 0, 1) for scale in (0.02, 0.1, 0.4)]
    assert np.all(np.diff([ssim(x, y)[0] for y in noisier]) < 0)
    assert np.all(np.diff([psnr(x, y)[0] for y in noisier]) < 0)


def test_an_inverted_pattern_is_unlike():
    pattern = np.indices((16, 16)).sum(axis=0) % 2 * np.ones((1, 3, 1, 1))
    assert ssim(pattern, 1 - pattern)[0] < -0.99


def test_psnr_by_hand():
    x, y = constant(0.5), constant(0.5)
    y[0, 0] = 0.8
    # A third of the values is off by 0.3: 0.09 / 3 = 0.03; -10 log10(0.03) = 15.2288.
    np.testing.assert_allclose(psnr(x, y), [15.2288], atol=1e-4)


@pytest.mark.parametrize("metric", [ssim, psnr])
def test_bad_pictures_are_refused(metric):
    good = constant(0.5)
    with pytest.raises(InputError, match="same shape"):
        metric(good, good[..., :-1])
    with pytest.raises(InputError, match=r"others must lie in \[0, 1\]"):
        metric(good, good * 3)
    with pytest.raises(InputError, match="floats"):
        metric((good * 255).astype(np.uint8), good)


def test_ssim_needs_room_for_its_window():
    small = np.zeros((1, 3, 11, 10))
    with pytest.raises(InputError, match="at least 11 x 11 pixels, got 10 x 11"):
        ssim(small, small)
