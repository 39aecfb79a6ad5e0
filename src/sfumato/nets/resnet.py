"""Residual networks: ResNet-18, 34, 50 and 101, pooled to features [1]_.

References
----------
.. [1] He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, Table 1.
"""

from typing import Any

from torch import nn

# Blocks of each of the four stages.
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; the first one carries the stride."""

    expansion = 1

    def __init__(self, n_in: Any, width: Any, stride: Any) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(n_in, width, stride)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        inner = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(inner)) + self.downsample(x)).relu()


class Bottleneck(nn.Module):
    """Three convolutions around a shortcut, four times as wide at the end.

    Parameters
    ----------
    n_in, width, stride : int
    first : bool, default=False
        Whether the first, 1 x 1, convolution carries the stride, as in [1]_ and its Caffe files,
        and not the 3 x 3 one, as in most trainings since, which is somewhat more accurate.
    """

    expansion = 4

    def __init__(self, n_in: int, width: int, stride: int, *, first: bool = False) -> None:
        super().__init__()
        strides = (stride, 1) if first else (1, stride)
        self.conv1 = nn.Conv2d(n_in, width, 1, strides[0], bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, strides[1], padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(n_in, 4 * width, stride)

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        inner = self.bn1(self.conv1(x)).relu()
        inner = self.bn2(self.conv2(inner)).relu()
        return (self.bn3(self.conv3(inner)) + self.downsample(x)).relu()


def shortcut(n_in: Any, n_out: Any, stride: Any) -> Any:
    """Return the identity, or a strided 1 x 1 convolution where the shape changes."""
    if n_in == n_out and stride == 1:
        return nn.Sequential()
    projection = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(n_out))


class ResNet(nn.Module):
    """A residual network without classifier.

    Parameters
    ----------
    depth : {18, 34, 50, 101}, default=34
    n_channels : int, default=3
        Of the input images.
    width : float, default=1.0
        Factor on the number of channels of every layer.

    Attributes
    ----------
    dimension : int
        Number of features: 512 times ``width``, for depth 50 and 101 2048 times it.
    """

    def __init__(self, depth: int = 34, *, n_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        block = BasicBlock if depth < 50 else Bottleneck
        widths = [round(width * n) for n in WIDTHS]
        self.conv1 = nn.Conv2d(n_channels, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        n_in, stages = widths[0], []
        for number, (n_out, n_blocks) in enumerate(zip(widths, STAGES[depth], strict=True)):
            for repeat in range(n_blocks):
                stride = 2 if number and not repeat else 1
                stages.append(block(n_in, n_out, stride))
                n_in = block.expansion * n_out
        self.stages = nn.Sequential(*stages)
        self.dimension = n_in
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Any) -> Any:
        """Return features of shape (n_images, dimension)."""
        x = self.pool(self.bn1(self.conv1(x)).relu())
        return self.stages(x).mean(dim=(2, 3))
