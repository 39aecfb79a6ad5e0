"""How much two pictures differ: SSIM and PSNR, picture by picture."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

from sfumato.errors import InputError
from sfumato.validation import check_images

#: Red, green and blue in the luminance, ITU-R BT.601.
LUMINANCE = (0.299, 0.587, 0.114)
WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03


def ssim(images: ArrayLike, others: ArrayLike) -> NDArray[Any]:
    """Return the structural similarity of the luminance of each picture with the other [1]_.

    Parameters
    ----------
    images, others : array-like of shape (n_images, 3, height, width)
        RGB in [0, 1], at least 11 pixels a side.

    Returns
    -------
    ndarray of shape (n_images,)
        In [-1, 1]; 1 for equal luminance. The mean of Eq. 13 over all places where the Gaussian
        window (11 x 11, sigma 1.5 pixels) lies within the picture, with K1 = 0.01 and K2 = 0.03.

    Raises
    ------
    InputError
        For bad pictures, two shapes, or pictures smaller than the window.

    Notes
    -----
    Choices where the paper is silent: the luminance of ITU-R BT.601, and no shrinking of large
    pictures before, so that values of two sizes do not compare.

    References
    ----------
    .. [1] Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility
       to structural similarity", IEEE TIP 13(4), 2004, Eq. 13-17.

    Examples
    --------
    >>> grey = np.full((1, 3, 16, 16), 0.5)
    >>> ssim(grey, grey / 2).round(4).tolist()
    [0.8001]
    """
    images, others = _check_pair(images, others)
    if min(images.shape[-2:]) < WINDOW:
        raise InputError(
            f"ssim needs pictures of at least {WINDOW} x {WINDOW} pixels, got "
            f"{images.shape[-1]} x {images.shape[-2]}."
        )
    return np.array([_ssim(*pair) for pair in zip(images, others, strict=True)])


def _ssim(image, other):
    x, y = (np.tensordot(LUMINANCE, planes.astype(np.float64), 1) for planes in (image, other))
    mean_x, mean_y = _local(x), _local(y)
    variances = _local(x * x) + _local(y * y) - mean_x**2 - mean_y**2
    covariance = _local(x * y) - mean_x * mean_y
    c1, c2 = K1**2, K2**2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variances + c2)
    return float(np.mean(above / below))


def _local(plane):
    """Return Gaussian means wherever the window lies within the plane."""
    edge = WINDOW // 2
    weights = np.exp(-(np.arange(-edge, edge + 1) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        plane = correlate1d(plane, weights, axis=axis)
    return plane[edge:-edge, edge:-edge]


def psnr(images: ArrayLike, others: ArrayLike) -> NDArray[Any]:
    """Return the peak signal-to-noise ratio of each picture and the other, in dB.

    Parameters
    ----------
    images, others : array-like of shape (n_images, 3, height, width)
        RGB in [0, 1].

    Returns
    -------
    ndarray of shape (n_images,)
        ``-10 log10`` of the mean squared difference over all pixels and colours, >= 0;
        infinite for equal pictures.

    Raises
    ------
    InputError
        For bad pictures or two shapes.

    Examples
    --------
    >>> grey = np.full((1, 3, 4, 4), 0.5)
    >>> psnr(grey, grey + 0.1).round(4).tolist()
    [20.0]
    """
    images, others = _check_pair(images, others)
    squares = [
        np.mean(np.square(image.astype(np.float64) - other))
        for image, other in zip(images, others, strict=True)
    ]
    return np.array([np.inf if square == 0 else -10 * np.log10(square) for square in squares])


def _check_pair(images, others):
    images, others = check_images(images), check_images(others, "others")
    if images.shape != others.shape:
        raise InputError(
            f"images and others must have the same shape, got {images.shape} and {others.shape}."
        )
    return images, others
