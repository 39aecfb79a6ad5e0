"""A small network that reads all attributes off a picture, for a generator to fool."""

from typing import Any

import torch
from torch import nn

from sfumato.nets.resnet import BasicBlock

SLOPE = 0.1


class AttributeNet(nn.Module):
    """Attribute logits of pictures.

    Parameters
    ----------
    n_logits : int
        See :func:`sfumato.nets.privacynet.label_layout`.
    width : int, default=24
        Channels of the first stage; the last one has eight times as many.
    residual : bool, default=False
        Four stages of two residual blocks; else five of two plain convolutions.
    seed : int, default=0
        Draws the weights.

    Notes
    -----
    Smaller than the reader of pixels that comes with this package, and with other first layers;
    trained from other weights on altered pictures. What fools these is not made to fool that.
    """

    def __init__(
        self, n_logits: int, width: int = 24, *, residual: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.trunk = _residual(width) if residual else _plain(width)
            self.head = nn.Linear(8 * width, n_logits)

    def forward(self, x: Any) -> Any:
        """Return logits (n_images, n_logits) of pictures in [-1, 1], sides of 32 or more."""
        return self.head(self.trunk(x).mean(dim=(2, 3)))


def _plain(width):
    layers, n_in = [], 3
    for number, factor in enumerate((1, 2, 4, 6, 8)):
        n_out, kernel = factor * width, 5 if number < 2 else 3
        layers += [*_unit(n_in, n_out, kernel, 2), nn.LeakyReLU(SLOPE)]
        layers += [*_unit(n_out, n_out, 3, 1), nn.LeakyReLU(SLOPE)]
        n_in = n_out
    return nn.Sequential(*layers)


def _residual(width):
    layers, n_in = [*_unit(3, width, 3, 2), nn.ReLU(inplace=True)], width
    for number, factor in enumerate((1, 2, 4, 8)):
        n_out = factor * width
        layers += [BasicBlock(n_in, n_out, 2 if number else 1), BasicBlock(n_out, n_out, 1)]
        n_in = n_out
    return nn.Sequential(*layers)


def _unit(n_in, n_out, kernel, stride):
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(n_out)
