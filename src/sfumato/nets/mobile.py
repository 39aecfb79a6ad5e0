"""Small networks made for faces: MobileFaceNet and IResNet, to be trained from the start."""

from typing import Any

from torch import nn
from torch.nn import functional


def unit(
    n_in: Any,
    n_out: Any,
    kernel: int = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    linear: bool = False,
) -> Any:
    """Return a convolution with batch normalisation and, unless linear, PReLU."""
    layers = [
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(n_out),
    ]
    return nn.Sequential(*layers, *([] if linear else [nn.PReLU(n_out)]))


class InvertedResidual(nn.Module):
    """Widen, convolve by channel, narrow without activation; added to the input if alike."""

    def __init__(self, n_in: Any, n_out: Any, stride: Any, expansion: Any) -> None:
        super().__init__()
        n = expansion * n_in
        self.layers = nn.Sequential(
            unit(n_in, n), unit(n, n, 3, stride, groups=n), unit(n, n_out, linear=True)
        )
        self.alike = stride == 1 and n_in == n_out

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        return x + self.layers(x) if self.alike else self.layers(x)


class MobileFaceNetBackbone(nn.Module):
    """MobileFaceNet [1]_, untrained; :mod:`sfumato.nets.mobilefacenet` reads a trained one.

    Parameters
    ----------
    n_channels : int, default=3
        Of the input images.

    Attributes
    ----------
    dimension : int
        128.

    Notes
    -----
    Made for 112 x 112 pixels, of which the last map is 7 x 7; that of another size is averaged
    to it.

    References
    ----------
    .. [1] Chen, Liu, Gao, Han, "MobileFaceNets: efficient CNNs for accurate real-time face
       verification on mobile devices", CCBR 2018, arXiv:1804.07573, Table 1.
    """

    dimension = 128
    # Expansion, channels, repeats, stride of the first.
    BLOCKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))

    def __init__(self, *, n_channels: int = 3) -> None:
        super().__init__()
        layers = [unit(n_channels, 64, 3, 2), unit(64, 64, 3, groups=64)]
        n_in = 64
        for expansion, n_out, n_blocks, stride in self.BLOCKS:
            for repeat in range(n_blocks):
                layers.append(InvertedResidual(n_in, n_out, 1 if repeat else stride, expansion))
                n_in = n_out
        self.layers = nn.Sequential(*layers, unit(n_in, 512), nn.AdaptiveAvgPool2d(7))
        self.everywhere = nn.Sequential(
            nn.Conv2d(512, 512, 7, groups=512, bias=False), nn.BatchNorm2d(512)
        )
        self.last = unit(512, self.dimension, linear=True)

    def forward(self, x: Any) -> Any:
        """Return features of shape (n_images, 128)."""
        return self.last(self.everywhere(self.layers(x))).flatten(1)


class IResNetBlock(nn.Module):
    """Normalise first, no activation at the end: the "improved" block of face encoders [1]_."""

    def __init__(self, n_in: Any, n_out: Any, stride: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(n_in),
            nn.Conv2d(n_in, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.PReLU(n_out),
            nn.Conv2d(n_out, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.shortcut = unit(n_in, n_out, 1, stride, linear=True)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        return self.layers(x) + self.shortcut(x)


class IResNet(nn.Module):
    """The residual network of face encoders [1]_, without classifier.

    Parameters
    ----------
    n_channels : int, default=3
        Of the input images.
    widths : tuple of int, default=(32, 64, 128, 256)
        Channels of the four stages, each of which halves the image.
    n_blocks : tuple of int, default=(2, 2, 2, 2)
        Blocks of each.

    Attributes
    ----------
    dimension : int
        The last width.

    Notes
    -----
    The original ends in a dense layer on the 7 x 7 map; here the map is averaged, so that any
    size fits.

    References
    ----------
    .. [1] Deng, Guo, Xue, Zafeiriou, "ArcFace: additive angular margin loss for deep face
       recognition", CVPR 2019, arXiv:1801.07698, Sect. 3.1 (after Han et al., CVPR 2017).
    """

    def __init__(
        self,
        *,
        n_channels: int = 3,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        n_blocks: tuple[int, ...] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [unit(n_channels, widths[0], 3)]
        n_in = widths[0]
        for n_out, repeats in zip(widths, n_blocks, strict=True):
            for repeat in range(repeats):
                layers.append(IResNetBlock(n_in, n_out, 1 if repeat else 2))
                n_in = n_out
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(n_in))
        self.dimension = n_in

    def forward(self, x: Any) -> Any:
        """Return features of shape (n_images, dimension)."""
        return functional.dropout(self.layers(x).mean(dim=(2, 3)), 0.2, self.training)
