"""A network with one trunk and a last layer for each attribute."""

from typing import Any

import torch
from torch import nn

from sfumato.nets.ordinal import CoralLayer, CornLayer, OrLayer

LAYERS = {"ce": nn.Linear, "or": OrLayer, "coral": CoralLayer, "corn": CornLayer}


class MultiTaskNet(nn.Module):
    """Features of a trunk, read by a layer of each attribute.

    Parameters
    ----------
    trunk : Module
        With ``dimension``, the number of its features.
    outputs : dict of str to (str, int)
        To each attribute its kind, a key of :data:`LAYERS` ("ce" for plain classes), and the
        number of its classes or ranks.
    """

    def __init__(self, trunk: Any, outputs: dict[str, Any]) -> None:
        super().__init__()
        self.trunk = trunk
        self.names = list(outputs)
        # By number: an attribute may be called anything, also what a module has already.
        self.layers = nn.ModuleList(
            LAYERS[kind](trunk.dimension, n) for kind, n in outputs.values()
        )

    def forward(self, x: Any) -> Any:
        """Return a dict of logits by attribute."""
        return self.read(self.trunk(x))

    def read(self, features: Any) -> dict[str, Any]:
        """Return a dict of logits by attribute, of the trunk's features."""
        return {name: layer(features) for name, layer in self.heads.items()}

    @property
    def heads(self) -> Any:
        """The last layers by attribute."""
        return dict(zip(self.names, self.layers, strict=True))


class TemplateTrunk(nn.Module):
    """Features of a template: standardised, then dense layers with ReLU and dropout.

    Parameters
    ----------
    n_features, n_units, n_layers : int
    dropout : float, default=0.2

    Attributes
    ----------
    dimension : int
        ``n_units``, or ``n_features`` without layers.
    shift, scale : Tensor of shape (n_features,)
        Set by :meth:`standardise`.
    """

    def __init__(
        self, n_features: int, n_units: int, n_layers: int, *, dropout: float = 0.2
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(n_layers):
            layers.append(nn.Linear(n_units if number else n_features, n_units))
            layers += [nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.dimension = n_units if n_layers else n_features
        self.register_buffer("shift", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def standardise(self, X: Any) -> None:
        """Take mean and deviation from the training rows, a Tensor."""
        self.shift = X.mean(dim=0)
        deviation = X.std(dim=0, correction=0)
        self.scale = torch.where(deviation > 0, deviation, torch.ones_like(deviation))

    def forward(self, x: Any) -> Any:
        """Return features of shape (n_samples, dimension)."""
        return self.layers((x - self.shift) / self.scale)
