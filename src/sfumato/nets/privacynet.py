"""PrivacyNet's generator and discriminator [1]_, Sect. 3.3 and Fig. 3.

References
----------
.. [1] Mirjalili, Raschka, Ross, "PrivacyNet: semi-adversarial networks for multi-attribute face
   privacy", IEEE TIP 2020.
.. [2] Choi et al., "StarGAN: unified generative adversarial networks for multi-domain
   image-to-image translation", CVPR 2018: where the paper took both from.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.errors import InputError

SLOPE = 0.01
N_RESIDUAL = 6


def label_layout(attributes: Mapping[str, Sequence[str]]) -> tuple[dict[str, Any], int]:
    """Return to each attribute the place of its first plane and its number of classes.

    Two classes take one plane (0 or 1), more take one each.

    Parameters
    ----------
    attributes : dict of str to sequence of str

    Returns
    -------
    layout : dict of str to (int, int)
    n_planes : int

    Examples
    --------
    >>> label_layout({"gender": ("f", "m"), "age": ("a", "b", "c")})
    ({'gender': (0, 2), 'age': (1, 3)}, 4)
    """
    layout, start = {}, 0
    for name, classes in attributes.items():
        layout[name] = (start, len(classes))
        start += 1 if len(classes) == 2 else len(classes)
    return layout, start


def label_planes(codes: dict[str, Tensor], layout: dict[str, Any]) -> Tensor:
    """Return the label planes of classes.

    Parameters
    ----------
    codes : dict of str to Tensor of int of shape (n_images,)
    layout : dict
        Of :func:`label_layout`.

    Returns
    -------
    Tensor of shape (n_images, n_planes), float32
    """
    parts = []
    for name, (_, n_classes) in layout.items():
        if n_classes == 2:
            parts.append(codes[name][:, None].float())
        else:
            parts.append(functional.one_hot(codes[name], n_classes).float())
    return torch.cat(parts, dim=1)


def read_labels(logits: Any, layout: Any) -> Any:
    """Return the classes that attribute logits tell, a dict of int Tensors."""
    found = {}
    for name, (start, n_classes) in layout.items():
        if n_classes == 2:
            found[name] = (logits[:, start] > 0).long()
        else:
            found[name] = logits[:, start : start + n_classes].argmax(dim=1)
    return found


class Residual(nn.Module):
    """Two 3 x 3 convolutions with instance norm, added to their input."""

    def __init__(self, width: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.InstanceNorm2d(width, affine=True),
        )

    def forward(self, x: Any) -> Any:
        """Return features of the input's shape."""
        return x + self.layers(x)


class Generator(nn.Module):
    """A picture and label planes in, a picture out.

    Parameters
    ----------
    n_planes : int
        Of labels.
    width : int, default=64
        Channels after the first convolution; twice as many in the middle. The paper's 128
        there are ``width=64``.
    residual : bool, default=False
        Add the last layer's output to the picture instead of giving it as the picture, and
        normalise after the second convolution first. Then it starts as the identity map,
        details need no learning, and labels pass everywhere.

    Notes
    -----
    A label's plane is constant, so a convolution turns it into the same number everywhere, and
    an instance norm takes that number away: as published, labels reach the picture from its
    border alone, where the padding's zeros are, and training is slow.

    The paper halves the picture twice and says that 224 become 32, which are those of 128.
    """

    def __init__(self, n_planes: int, width: int = 64, *, residual: bool = False) -> None:
        super().__init__()
        middle = 2 * width
        self.residual = residual
        first = _block(nn.Conv2d(3 + n_planes, width, 4, 2, 1, bias=False), width)
        if residual:
            first = nn.Conv2d(3 + n_planes, width, 4, 2, 1), nn.Identity(), nn.ReLU(inplace=True)
        self.layers = nn.Sequential(
            *first,
            *_block(nn.Conv2d(width, middle, 4, 2, 1, bias=False), middle),
            *(Residual(middle) for _ in range(N_RESIDUAL)),
            *_block(nn.ConvTranspose2d(middle, width, 4, 2, 1, bias=False), width),
            *_block(nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False), width),
        )
        self.last = nn.Conv2d(width, 3, 1, bias=not residual)
        if residual:
            nn.init.normal_(self.last.weight, std=1e-3)

    def forward(self, x: Tensor, planes: Tensor) -> Tensor:
        """Return pictures.

        Parameters
        ----------
        x : Tensor of shape (n_images, 3, height, width)
            In [-1, 1]; sides divisible by 4.
        planes : Tensor of shape (n_images, n_planes)
            Labels to show, spread over the picture.

        Returns
        -------
        Tensor of shape (n_images, 3, height, width)
            In [-1, 1].
        """
        spread = planes[:, :, None, None].expand(-1, -1, *x.shape[-2:])
        out = self.last(self.layers(torch.cat([x, spread.to(x.dtype)], dim=1)))
        if self.residual:
            return (x + 2 * torch.tanh(out)).clamp(-1, 1)
        return torch.tanh(out)


def _block(layer, width):
    return layer, nn.InstanceNorm2d(width, affine=True), nn.ReLU(inplace=True)


class Discriminator(nn.Module):
    """One trunk with two heads: how real a patch is, and the attributes.

    Parameters
    ----------
    size : int
        Pixels a side, divisible by 32.
    n_logits : int
        Of attributes.
    width : int, default=64
        Channels after the first convolution, doubled by each next one.
    max_width : int, default=2048
    """

    def __init__(
        self, size: int, n_logits: int, width: int = 64, *, max_width: int = 2048
    ) -> None:
        super().__init__()
        check_argument(size, POSITIVE_INT, "size")
        if size % 32:
            raise InputError(f"size must be divisible by 32, got {size}.")
        layers, channels, side = [], 3, size
        # Down to two pixels a side, or to the last even number.
        while side % 2 == 0 and side > 2:
            out = min(width * size // side, max_width)
            layers += [nn.Conv2d(channels, out, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            channels, side = out, side // 2
        self.trunk = nn.Sequential(*layers)
        self.source = nn.Conv2d(channels, 1, 3, padding=1, bias=False)
        self.attributes = nn.Conv2d(channels, n_logits, side, bias=False)

    def forward(self, x: Any) -> tuple[Any, ...]:
        """Return patch scores (n_images, 1, h, w) and logits (n_images, n_logits)."""
        features = self.trunk(x)
        return self.source(features), self.attributes(features).flatten(1)
