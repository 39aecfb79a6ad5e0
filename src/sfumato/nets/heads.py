"""Networks of the adversarial erasers: encoders on templates, and heads that read them.

All take rows of length ``sqrt(n_features)``, so that a feature's mean square is 1, and draw
their start from a generator alone; the global seed stays untouched.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def linear(n_in: Any, n_out: Any, generator: Any) -> Any:
    """Return a linear layer with Xavier's uniform weights and no bias at the start."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def scaled(z: Any) -> Any:
    """Return rows of length ``sqrt(n_features)``; a zero row stays zero."""
    return functional.normalize(z, eps=1e-12) * z.shape[1] ** 0.5


class ResidualEncoder(nn.Module):
    """``z = x + W2 relu(W1 x + b1) + b2``, rescaled; the identity map at the start.

    Parameters
    ----------
    n_features, n_hidden : int
    generator : torch.Generator
    """

    def __init__(self, n_features: int, n_hidden: int, generator: Any) -> None:
        super().__init__()
        self.first = linear(n_features, n_hidden, generator)
        self.second = linear(n_hidden, n_features, generator)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Any) -> Any:
        """Return the encoded rows, shape (n_samples, n_features)."""
        return scaled(x + self.second(self.first(x).relu()))


class AttributeHead(nn.Module):
    """An adversary: one hidden layer and the classes' logits.

    Parameters
    ----------
    n_in, n_hidden, n_classes : int
    generator : torch.Generator
    activation : callable, default=torch.relu
    """

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        n_classes: int,
        generator: Any,
        activation: Callable[..., Any] = torch.relu,
    ) -> None:
        super().__init__()
        self.hidden = linear(n_in, n_hidden, generator)
        self.output = linear(n_hidden, n_classes, generator)
        self.activation = activation

    def forward(self, z: Any) -> Any:
        """Return logits of shape (n_samples, n_classes)."""
        return self.output(self.activation(self.hidden(z)))


class CosineHead(nn.Module):
    """Normalised softmax: logits are ``scale * cos(z, prototype)``.

    Parameters
    ----------
    prototypes : Tensor of shape (n_classes, n_features)
        Where the classes' weights start, such as their mean rows.
    scale : float, default=30.0
    n_sampled : int, optional
        How many classes a batch of :meth:`batch_logits` is compared with; default: all.
    generator : torch.Generator, optional
        Draws them.

    References
    ----------
    .. [1] An et al., "Killing two birds with one stone: efficient and robust training of face
       recognition CNNs by Partial FC", CVPR 2022, arXiv:2203.15565.
    """

    def __init__(
        self,
        prototypes: Tensor,
        scale: float = 30.0,
        *,
        n_sampled: int | None = None,
        generator: Any = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(functional.normalize(prototypes))
        self.scale, self.n_sampled, self.generator = scale, n_sampled, generator

    def forward(self, z: Any) -> Any:
        """Return logits of shape (n_samples, n_classes)."""
        return self._logits(z, self.weight)

    def batch_logits(self, z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of the batch's classes and of others drawn at random [1]_.

        Parameters
        ----------
        z : Tensor of shape (n_samples, n_features)
        labels : int64 Tensor of shape (n_samples,)

        Returns
        -------
        logits : Tensor of shape (n_samples, n_drawn)
        labels : int64 Tensor of shape (n_samples,)
            Columns of ``logits``.
        """
        n_classes = len(self.weight)
        if self.n_sampled is None or self.n_sampled >= n_classes:
            return self(z), labels
        own, columns = labels.unique(return_inverse=True)
        priority = torch.rand(n_classes, generator=self.generator).to(z.device)
        priority[own] = -1
        others = priority.topk(max(0, self.n_sampled - len(own))).indices
        return self._logits(z, self.weight[torch.cat([own, others])]), columns

    def _logits(self, z, weight):
        return self.scale * functional.normalize(z) @ functional.normalize(weight).T


class PReluEncoder(nn.Module):
    """``z = prelu(W x + b)``, rescaled; W starts with orthonormal columns or rows.

    Parameters
    ----------
    n_features, n_units : int
    generator : torch.Generator
    """

    def __init__(self, n_features: int, n_units: int, generator: Any) -> None:
        super().__init__()
        self.layer = linear(n_features, n_units, generator)
        nn.init.orthogonal_(self.layer.weight, generator=generator)
        self.slope = nn.Parameter(torch.full((1,), 0.25))

    def forward(self, x: Any) -> Any:
        """Return the encoded rows, shape (n_samples, n_units)."""
        return scaled(functional.prelu(self.layer(x), self.slope))
