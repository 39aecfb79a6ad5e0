"""How much embeddings and a protected attribute depend on each other, without an adversary."""

import math

from torch import Tensor


def fourier_features(z: Tensor, frequencies: Tensor, phases: Tensor) -> Tensor:
    """Return random Fourier features, ``sqrt(2 / D) cos(W z + b)`` (Rahimi and Recht, Eq. 4).

    With rows of W from N(0, I / sigma^2) and b uniform in [0, 2 pi] the expected inner product
    of two rows' features is their Gaussian kernel, ``exp(-|z - z'|^2 / (2 sigma^2))``.

    Parameters
    ----------
    z : Tensor of shape (n_samples, n_features)
    frequencies : Tensor of shape (n_frequencies, n_features)
    phases : Tensor of shape (n_frequencies,)

    Returns
    -------
    Tensor of shape (n_samples, n_frequencies)

    References
    ----------
    .. [1] Rahimi, Recht, "Random features for large-scale kernel machines", NIPS 2007.
    """
    return math.sqrt(2 / len(phases)) * (z @ frequencies.T + phases).cos()


def hsic(features: Tensor, indicators: Tensor) -> Tensor:
    """Return the Hilbert-Schmidt independence criterion, ``tr(K H L H) / n^2`` [1]_.

    Zero if kernel regressions on the embedding predict the attribute no better than its mean.
    With the features of both kernels at hand, K = Phi Phi' and L = S S', the trace is the
    squared norm of a cross-covariance, in time linear in the rows.

    Parameters
    ----------
    features : Tensor of shape (n_samples, n_frequencies)
        Phi, such as :func:`fourier_features`.
    indicators : Tensor of shape (n_samples, n_classes)
        S: ones where a row is of a class, else zeros.

    Returns
    -------
    Tensor of shape ()
        At least 0.

    References
    ----------
    .. [1] Gretton, Bousquet, Smola, Schölkopf, "Measuring statistical dependence with
       Hilbert-Schmidt norms", ALT 2005, Definition 2 (there over (n - 1)^2).
    """
    centred = indicators - indicators.mean(dim=0)
    return (centred.T @ features / len(features)).square().sum()


def moment_gap(z: Tensor, labels: Tensor) -> Tensor:
    """Return how far the classes' means and covariances lie from those of all rows.

    Parameters
    ----------
    z : Tensor of shape (n_samples, n_features)
    labels : Tensor of int64 of shape (n_samples,)

    Returns
    -------
    Tensor of shape ()
        ``(|m_c - m|^2 + |S_c - S|_F^2) / n_features``, the mean over the classes c present.
    """
    mean, covariance = _moments(z)
    gaps = []
    for label in labels.unique():
        own_mean, own_covariance = _moments(z[labels == label])
        gaps.append((own_mean - mean).square().sum())
        gaps[-1] = gaps[-1] + (own_covariance - covariance).square().sum()
    return sum(gaps) / (len(gaps) * z.shape[1])


def _moments(z):
    mean = z.mean(dim=0)
    return mean, (z - mean).T @ (z - mean) / len(z)
