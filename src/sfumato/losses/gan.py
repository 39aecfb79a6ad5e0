"""Losses of PrivacyNet [1]_ and of Wasserstein GANs with a gradient penalty [2]_.

References
----------
.. [1] Mirjalili, Raschka, Ross, "PrivacyNet", IEEE TIP 2020, Eq. 1 to 8.
.. [2] Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, Eq. 3.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sfumato.losses.adversarial import cross_entropy


def critic_loss(real: Tensor, fake: Tensor) -> Any:
    """Return E[D(fake)] - E[D(real)]: what stands for Eq. 3, by Sect. 3.3 a Wasserstein GAN.

    Parameters
    ----------
    real, fake : Tensor
        Scores of any shape.
    """
    return fake.mean() - real.mean()


def generator_source_loss(fake: Any) -> Any:
    """Return -E[D(fake)]: what stands for Eq. 4."""
    return -fake.mean()


def gradient_penalty(critic: Callable[..., Any], real: Tensor, fake: Tensor, mix: Tensor) -> Any:
    """Return E[(|grad D(x)| - 1)^2] at points between real and fake ([2]_, Eq. 3).

    Parameters
    ----------
    critic : callable
        From pictures to scores.
    real, fake : Tensor of shape (n_images, channels, height, width)
    mix : Tensor of shape (n_images,)
        In [0, 1]: 1 is the real picture.
    """
    mix = mix[:, None, None, None]
    x = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


def attribute_loss(logits: Tensor, codes: dict[str, Tensor], layout: dict[str, Any]) -> Any:
    """Return the sum over the attributes of -E[log D_attr(V | x)], Eq. 5 and 6.

    Parameters
    ----------
    logits : Tensor of shape (n_images, n_logits)
    codes : dict of str to Tensor of int of shape (n_images,)
        Classes by attribute.
    layout : dict of str to (int, int)
        To each attribute its first logit and its number of classes; two classes have one
        logit, that of the second.
    """
    total = logits.new_zeros(())
    for name, (start, n_classes) in layout.items():
        if n_classes == 2:
            y = codes[name].to(logits.dtype)
            total = total + functional.binary_cross_entropy_with_logits(logits[:, start], y)
        else:
            own = logits[:, start : start + n_classes]
            total = total + cross_entropy(own, codes[name]).mean()
    return total


def matching_loss(found: Tensor, wanted: Tensor) -> Any:
    """Return E[|R(X) - R(X')|^2], Eq. 7.

    Parameters
    ----------
    found, wanted : Tensor of shape (n_images, n_features)
        Templates of unit length.
    """
    return ((found - wanted) ** 2).sum(dim=1).mean()


def reconstruction_loss(x: Any, again: Any) -> Any:
    """Return E[|X - G(G(X, V_t), V_0)|], the mean over pixels of Eq. 8's L1 norm."""
    return (x - again).abs().mean()
