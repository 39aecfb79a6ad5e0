"""Losses of semi-adversarial networks, in the formulas of Raschka's slides (2019, Part II)."""

from torch import Tensor

from sfumato.losses.adversarial import cross_entropy


def pixel_loss(x: Tensor, same: Tensor) -> Tensor:
    """Return J_D, the squared difference of each picture and its output, summed over pixels.

    Parameters
    ----------
    x, same : Tensor of shape (n_images, n_channels, height, width)
        ``X`` and ``X'_SM``.

    Returns
    -------
    Tensor of shape (n_images,)
    """
    return (x - same).square().flatten(1).sum(dim=1)


def gender_loss(logits_same: Tensor, logits_opposite: Tensor, y: Tensor) -> Tensor:
    """Return J_G = S(y, f_G(X'_SM)) + S(1 - y, f_G(X'_OP)) of each picture, S cross-entropy.

    Parameters
    ----------
    logits_same, logits_opposite : Tensor of shape (n_images, 2)
        What the auxiliary classifier says to the outputs with the prototype of the same and of
        the opposite class.
    y : int64 Tensor of shape (n_images,)
        The true classes, 0 or 1.

    Returns
    -------
    Tensor of shape (n_images,)
    """
    return cross_entropy(logits_same, y) + cross_entropy(logits_opposite, 1 - y)


def matching_loss(embedding: Tensor, reference: Tensor) -> Tensor:
    """Return J_M = |F_M(X') - F_M(X)|^2 of each picture.

    Parameters
    ----------
    embedding, reference : Tensor of shape (n_images, n_features)
        ``F_M(X')`` and ``F_M(X)``.

    Returns
    -------
    Tensor of shape (n_images,)
        Of unit rows, ``2 - 2 cos`` in [0, 4].
    """
    return (embedding - reference).square().sum(dim=1)
