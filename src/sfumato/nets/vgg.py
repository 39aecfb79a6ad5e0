"""VGG-16, up to its second fully connected layer [1]_.

References
----------
.. [1] Simonyan, Zisserman, "Very deep convolutional networks for large-scale image
   recognition", ICLR 2015, Table 1, column D.
"""

from typing import Any

from torch import nn

# Channels of the 3 x 3 convolutions; 0 halves the image.
LAYERS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


class Vgg16(nn.Module):
    """VGG-16 without classifier.

    Parameters
    ----------
    n_channels : int, default=3
        Of the input images.
    batch_norm : bool, default=False
        Normalise after every convolution, which the original does not.

    Attributes
    ----------
    dimension : int
        4096.

    Notes
    -----
    The last map is averaged to 7 x 7 where the input is not 224 pixels wide.
    """

    dimension = 4096

    def __init__(self, *, n_channels: int = 3, batch_norm: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = n_channels
        for n_out in LAYERS:
            if not n_out:
                layers.append(nn.MaxPool2d(2))
                continue
            layers.append(nn.Conv2d(n_in, n_out, 3, padding=1, bias=not batch_norm))
            layers += [nn.BatchNorm2d(n_out)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            n_in = n_out
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten())
        self.dense = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(),
        )  # fmt: skip
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """Return features of shape (n_images, 4096)."""
        return self.dense(self.convolutions(x))
