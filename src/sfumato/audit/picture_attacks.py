"""Attacks on protected pictures: retrained readers, restoration, detection.

A perturber is made against machines that never saw its pictures. Whoever has pictures and their
protected forms can train on them [1]_, undo the change [2]_, or tell protected from original.

References
----------
.. [1] Morales, Fierrez, Vera-Rodriguez, Tolosana, "SensitiveNets", TPAMI 2020, Table II.
.. [2] Rot, Peer, Štruc, "PrivacyProber: assessment and detection of soft-biometric
   privacy-enhancing techniques", TDSC 2022, arXiv:2211.08864.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, median_filter

from sfumato.audit.pictures import to_bytes
from sfumato.metrics.verification import eer
from sfumato.outcomes import Progress
from sfumato.perturbers.images import Pictures, check_images
from sfumato.validation import need


def blurred(images: Any, sigma: float = 1.0) -> Any:
    """Return pictures smoothed by a Gaussian of so many pixels."""
    return gaussian_filter(check_images(images), (0, 0, sigma, sigma)).clip(0, 1)


def denoised(images: Any, size: int = 3) -> Any:
    """Return pictures with every pixel the median of its neighbourhood."""
    return median_filter(check_images(images), (1, 1, size, size))


def resampled(images: Any, factor: int = 2) -> Any:
    """Return pictures made smaller by averaging and larger again by bicubic interpolation."""
    torch = need("torch", "deep")
    x = torch.from_numpy(check_images(images))
    small = torch.nn.functional.avg_pool2d(x, factor, ceil_mode=True)
    large = torch.nn.functional.interpolate(small, x.shape[-2:], mode="bicubic")
    return large.clamp(0, 1).numpy()


#: Restorations that need no training, by name.
RESTORATIONS = {"blur": blurred, "denoise": denoised, "resample": resampled}


def retrained(
    images: ArrayLike,
    y: ArrayLike,
    tested: ArrayLike,
    architecture: Any,
    recipe: Any,
    *,
    start: Any = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Train a reader on protected pictures; return what it says of others.

    Parameters
    ----------
    images : array-like of shape (n_images, 3, height, width)
        Protected, of people neither the perturber nor the test has.
    y : array-like of str of shape (n_images,)
        Their true classes, two.
    tested : array-like of shape (n_tested, 3, height, width)
    architecture : Architecture
    recipe : ReaderRecipe
        Of :mod:`sfumato.readers.recipes`; a tenth of the rows picks the epoch.
    start : PixelReader, optional
        A reader of the same architecture to start from; default: trained afresh.

    Returns
    -------
    ndarray of shape (n_tested,)
        The probability of the second class in alphabetical order.
    """
    from sfumato.readers.pixels import train_pixels

    planes = to_bytes(images)
    picks = np.random.default_rng(recipe.seed).random(len(planes)) < 0.1
    labels = {"y": np.asarray(y, dtype=object)}
    reader, _ = train_pixels(
        planes, labels, picks, architecture, recipe, start=start, progress=progress
    )
    return reader.read(to_bytes(tested))["y"].probabilities[:, 1]


def detected(
    original: NDArray[Any],
    protected: NDArray[Any],
    tested: tuple[Any, ...],
    architecture: Any,
    recipe: Any,
    *,
    progress: Progress | None = None,
) -> Any:
    """Return the EER of a freshly trained network at telling protected from original.

    Parameters
    ----------
    original, protected : array-like of shape (n_images, 3, height, width)
        To train on.
    tested : tuple of two array-like
        Originals and protected pictures of other people.
    architecture, recipe, progress
        As for :func:`retrained`.
    """
    images = np.concatenate([check_images(original), check_images(protected)])
    y = np.repeat(["original", "protected"], [len(original), len(protected)])
    both = np.concatenate([check_images(part) for part in tested])
    scores = retrained(images, y, both, architecture, recipe, progress=progress)
    n = len(tested[0])
    return eer(scores[n:], scores[:n]).value


class Inversion:
    """A network that learns to undo a perturber, from pictures and their protected forms.

    Parameters
    ----------
    size : int, default=64
        Pixels a side of the pictures it works on; what is finer stays.
    width : int, default=32
        Of the network, the generator of PrivacyNet without labels.
    seed : int, default=0
    """

    def __init__(self, *, size: int = 64, width: int = 32, seed: int = 0) -> None:
        self.size, self.width, self.seed = size, width, seed

    def fit(
        self, protected: Any, original: Any, recipe: Any, *, progress: Progress | None = None
    ) -> Self:
        """Train it; ``recipe`` is one of :mod:`sfumato.perturbers.recipes`; returns self."""
        from sfumato.audit._picture_training import train_inversion

        pairs = Pictures(protected, self.size), Pictures(original, self.size)
        self._net = train_inversion(self, *pairs, recipe, progress)
        return self

    def restore(self, images: Any) -> Any:
        """Return what the network takes for the originals, shape and range as given."""
        torch = need("torch", "deep")
        from sfumato.perturbers.images import resized

        images = check_images(images)
        small = resized(images, self.size, self.size)
        with torch.no_grad():
            parts = [self._net(2 * x - 1, x.new_zeros(len(x), 0)) for x in small.split(64)]
        change = (torch.cat(parts) + 1) / 2 - small
        return (images + resized(change, *images.shape[-2:]).numpy()).clip(0, 1)
