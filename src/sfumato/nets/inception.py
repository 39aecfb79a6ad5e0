"""Inception-v3, pooled to features [1]_.

References
----------
.. [1] Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception architecture for
   computer vision", CVPR 2016, Table 1 and Fig. 5 to 7 and 10.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

MIN_SIDE = 75


def convolution(n_in: Any, n_out: Any, kernel: Any, stride: int = 1, padding: Any = 0) -> Any:
    """Return a convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(n_out, eps=1e-3),
        nn.ReLU(inplace=True),
    )


def row(n_in: Any, n_out: Any, n: int = 7) -> Any:
    """Return a convolution 1 high and ``n`` wide."""
    return convolution(n_in, n_out, (1, n), padding=(0, n // 2))


def column(n_in: Any, n_out: Any, n: int = 7) -> Any:
    """Return a convolution ``n`` high and 1 wide."""
    return convolution(n_in, n_out, (n, 1), padding=(n // 2, 0))


class Branches(nn.Module):
    """Branches side by side, their outputs one above the other."""

    def __init__(self, *branches: Any) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Any) -> Any:
        """Return the concatenated outputs."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def pooled(n_in: Any, n_out: Any) -> Any:
    """Return an average over 3 x 3 and a 1 x 1 convolution."""
    return nn.Sequential(nn.AvgPool2d(3, 1, padding=1), convolution(n_in, n_out, 1))


def block_35(n_in: Any, n_pool: Any) -> Branches:
    """Return a block of the first stage (Fig. 5)."""
    return Branches(
        convolution(n_in, 64, 1),
        nn.Sequential(convolution(n_in, 48, 1), convolution(48, 64, 5, padding=2)),
        nn.Sequential(
            convolution(n_in, 64, 1),
            convolution(64, 96, 3, padding=1),
            convolution(96, 96, 3, padding=1),
        ),
        pooled(n_in, n_pool),
    )


def reduction_35(n_in: Any) -> Branches:
    """Return the reduction after the first stage (Fig. 10)."""
    return Branches(
        convolution(n_in, 384, 3, 2),
        nn.Sequential(
            convolution(n_in, 64, 1), convolution(64, 96, 3, padding=1), convolution(96, 96, 3, 2)
        ),
        nn.MaxPool2d(3, 2),
    )


def block_17(n: Any) -> Branches:
    """Return a block of the second stage, ``n`` channels inside (Fig. 6)."""
    return Branches(
        convolution(768, 192, 1),
        nn.Sequential(convolution(768, n, 1), row(n, n), column(n, 192)),
        nn.Sequential(convolution(768, n, 1), column(n, n), row(n, n), column(n, n), row(n, 192)),
        pooled(768, 192),
    )


def reduction_17() -> Branches:
    """Return the reduction after the second stage."""
    return Branches(
        nn.Sequential(convolution(768, 192, 1), convolution(192, 320, 3, 2)),
        nn.Sequential(
            convolution(768, 192, 1), row(192, 192), column(192, 192), convolution(192, 192, 3, 2)
        ),
        nn.MaxPool2d(3, 2),
    )


def block_8(n_in: Any) -> Branches:
    """Return a block of the third stage (Fig. 7)."""
    return Branches(
        convolution(n_in, 320, 1),
        nn.Sequential(convolution(n_in, 384, 1), Branches(row(384, 384, 3), column(384, 384, 3))),
        nn.Sequential(
            convolution(n_in, 448, 1),
            convolution(448, 384, 3, padding=1),
            Branches(row(384, 384, 3), column(384, 384, 3)),
        ),
        pooled(n_in, 192),
    )


class InceptionV3(nn.Module):
    """Inception-v3 without classifiers, the auxiliary one included.

    Parameters
    ----------
    n_channels : int, default=3
        Of the input images.

    Attributes
    ----------
    dimension : int
        2048.

    Notes
    -----
    Its layers need 75 pixels; smaller images are scaled up to that.
    """

    dimension = 2048

    def __init__(self, *, n_channels: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(n_channels, 32, 3, 2),
            convolution(32, 32, 3),
            convolution(32, 64, 3, padding=1),
            nn.MaxPool2d(3, 2),
            convolution(64, 80, 1),
            convolution(80, 192, 3),
            nn.MaxPool2d(3, 2),
            *(block_35(192, 32), block_35(256, 64), block_35(288, 64)),
            reduction_35(288),
            *(block_17(n) for n in (128, 160, 160, 192)),
            reduction_17(),
            *(block_8(1280), block_8(2048)),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Any) -> Any:
        """Return features of shape (n_images, 2048)."""
        height, width = x.shape[-2:]
        if min(height, width) < MIN_SIDE:
            size = max(height, MIN_SIDE), max(width, MIN_SIDE)
            x = functional.interpolate(x, size, mode="bilinear", align_corners=False)
        return functional.dropout(self.layers(x).mean(dim=(2, 3)), 0.5, self.training)
