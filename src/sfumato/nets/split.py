"""An autoencoder of templates whose code has two parts."""

from typing import Any

import torch
from torch import nn

from sfumato.nets.heads import AttributeHead, ResidualEncoder


class SplitAutoencoder(nn.Module):
    """Code ``(z, a)`` of a row and back, ``z`` like the row and ``a`` small.

    ``z`` and the decoder are residual: at the start ``z`` is the row and decoded as it is.

    Parameters
    ----------
    n_features, n_hidden, n_units : int
        ``n_units`` is the length of ``a``.
    generator : torch.Generator
    """

    def __init__(self, n_features: int, n_hidden: int, n_units: int, generator: Any) -> None:
        super().__init__()
        self.encoder = ResidualEncoder(n_features, n_hidden, generator)
        self.part = AttributeHead(n_features, n_hidden, n_units, generator)
        self.decoder = AttributeHead(n_features + n_units, n_hidden, n_features, generator)
        nn.init.zeros_(self.decoder.output.weight)

    def forward(self, x: Any) -> tuple[Any, ...]:
        """Return ``z`` (n_samples, n_features), ``a`` (n_samples, n_units) and ``x`` decoded."""
        z, a = self.encoder(x), self.part(x)
        return z, a, z + self.decoder(torch.cat([z, a], dim=1))
