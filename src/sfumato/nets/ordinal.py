"""Last layers for ordinal regression, from features to the logits of a model of ranks.

What the logits mean, and the losses, are in :mod:`sfumato.losses.ordinal`.
"""

from typing import Any

import torch
from torch import nn


class OrLayer(nn.Linear):
    """OR-CNN: for each of ``n_ranks - 1`` levels two logits of its own.

    Parameters
    ----------
    n_in, n_ranks : int
    """

    def __init__(self, n_in: int, n_ranks: int) -> None:
        super().__init__(n_in, 2 * (n_ranks - 1))

    def forward(self, x: Any) -> Any:
        """Return logits of shape (n_samples, n_ranks - 1, 2)."""
        return super().forward(x).unflatten(1, (-1, 2))


class CoralLayer(nn.Module):
    """CORAL: one weight vector for all levels, ``g(x) + b_k``.

    Parameters
    ----------
    n_in, n_ranks : int

    Notes
    -----
    Biases start falling from 1 to 1 / (n_ranks - 1), as the authors' later package has it, which
    learns sooner; their paper's code starts them at 0.
    """

    def __init__(self, n_in: int, n_ranks: int) -> None:
        super().__init__()
        self.weight = nn.Linear(n_in, 1, bias=False)
        self.bias = nn.Parameter(torch.arange(n_ranks - 1, 0, -1.0) / (n_ranks - 1))

    def forward(self, x: Any) -> Any:
        """Return logits of shape (n_samples, n_ranks - 1)."""
        return self.weight(x) + self.bias


class CornLayer(nn.Linear):
    """CORN: for each level one logit of its own, conditional on the level before.

    Parameters
    ----------
    n_in, n_ranks : int
    """

    def __init__(self, n_in: int, n_ranks: int) -> None:
        super().__init__(n_in, n_ranks - 1)
