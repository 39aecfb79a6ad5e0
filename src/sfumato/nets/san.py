"""Networks of the semi-adversarial networks (SAN): the autoencoder and its auxiliary classifier.

References
----------
.. [1] Mirjalili, Raschka, Namboodiri, Ross, "Semi-adversarial networks: convolutional
   autoencoders for imparting privacy to face images", ICB 2018; layers as in the code that the
   authors released with it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sfumato.errors import InputError

WIDTHS = (8, 12, 256, 128)
AUXILIARY_WIDTHS = (32, 64, 128, 256, 256, 512)
N_POOLINGS, SMALLEST_MAP = 5, 4
DROPOUT = 0.25


class SanAutoencoder(nn.Module):
    """A grey picture and the prototype of its own class in, pictures that show prototypes out.

    Parameters
    ----------
    widths : sequence of 4 ints, default=(8, 12, 256, 128)
        Channels after the encoder's and the decoder's 3 x 3 convolutions [1]_.

    Notes
    -----
    The encoder halves twice by average pooling, the decoder doubles twice by repeating pixels;
    then the wanted prototype joins its channels, and a 1 x 1 convolution and a sigmoid give the
    picture. One pass of the trunk serves all prototypes, and two outputs differ before the
    sigmoid by a weighted sum of the prototypes' difference alone.
    """

    def __init__(self, widths: Sequence[Any] = WIDTHS) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.trunk = nn.Sequential(
            nn.Conv2d(1 + 3, first, 3, padding=1), nn.LeakyReLU(), nn.AvgPool2d(2),
            nn.Conv2d(first, second, 3, padding=1), nn.LeakyReLU(), nn.AvgPool2d(2),
            nn.Conv2d(second, third, 3, padding=1), nn.LeakyReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(third, fourth, 3, padding=1), nn.LeakyReLU(), nn.Upsample(scale_factor=2),
        )  # fmt: skip
        self.combiner = nn.Conv2d(fourth + 3, 1, 1)

    def forward(self, grey: Tensor, same: Tensor, *shown: Any) -> list[Tensor]:
        """Return one picture for each prototype of ``shown``.

        Parameters
        ----------
        grey : Tensor of shape (n_images, 1, height, width)
            In [0, 1]; height and width divisible by 4.
        same : Tensor of shape (n_images, 3, height, width)
            The prototype of each picture's own class, in [0, 1].
        *shown : Tensor of shape (n_images, 3, height, width)
            Prototypes to be shown: ``same``, the opposite or the neutral one.

        Returns
        -------
        list of Tensor of shape (n_images, 1, height, width)
            In (0, 1).
        """
        check_size(*grey.shape[-2:])
        features = self.trunk(torch.cat([grey, same], dim=1))
        logits = [self.combiner(torch.cat([features, prototype], dim=1)) for prototype in shown]
        return [each.sigmoid() for each in logits]


class AuxiliaryNet(nn.Module):
    """The classifier that a SAN is trained against [1]_, on grey pictures.

    Parameters
    ----------
    size : int
        Pixels a side.
    n_classes : int, default=2
    widths : sequence of ints, default=(32, 64, 128, 256, 256, 512)
        Channels of the convolutions, the first 5 x 5, the others 3 x 3.

    Notes
    -----
    Of the pictures' 224 pixels five max poolings leave 7, which are averaged. Smaller pictures
    are pooled as often as leaves 4 pixels: at 64 four times.

    The start is He's: from torch's usual one a network without normalisation of six layers stays
    near chance for more than a thousand batches of 16.
    """

    def __init__(
        self, size: int, n_classes: int = 2, widths: Sequence[int] = AUXILIARY_WIDTHS
    ) -> None:
        super().__init__()
        n_poolings = sum(size >> n >= SMALLEST_MAP for n in range(1, N_POOLINGS + 1))
        layers: list[nn.Module] = []
        n_in = 1
        for number, n_out in enumerate(widths):
            side = 3 if number else 5
            layers += [_he(nn.Conv2d(n_in, n_out, side, padding=side // 2)), nn.LeakyReLU()]
            layers += [nn.MaxPool2d(2)] if number < n_poolings else []
            n_in = n_out
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Dropout2d(DROPOUT), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Dropout(DROPOUT), nn.Linear(n_in, n_classes),
        )  # fmt: skip

    def forward(self, grey: Any) -> Any:
        """Return logits of shape (n_images, n_classes) of pictures (n_images, 1, size, size)."""
        return self.head(self.convolutions(2 * grey - 1))


def auxiliary_net(state: dict[str, Tensor], size: int) -> Any:
    """Return the AuxiliaryNet of its state_dict, in eval mode.

    Parameters
    ----------
    state : dict of str to Tensor
    size : int
        Pixels a side.
    """
    kernels = {int(name.split(".")[1]): v for name, v in state.items() if v.ndim == 4}
    widths = [kernels[number].shape[0] for number in sorted(kernels)]
    n_classes = next(value.shape[0] for value in state.values() if value.ndim == 2)
    net = AuxiliaryNet(size, n_classes, widths)
    net.load_state_dict(state)
    return net.eval()


def _he(convolution):
    """Return the convolution with He's start for the leaky ReLU behind it."""
    nn.init.kaiming_normal_(convolution.weight, a=nn.LeakyReLU().negative_slope)
    nn.init.zeros_(convolution.bias)
    return convolution


def check_size(height: Any, width: Any) -> None:
    """Refuse pictures whose sides the encoder cannot halve twice."""
    if height < 4 or height % 4 or width % 4:
        raise InputError(f"a SAN needs sides divisible by 4 pixels, got {height} x {width}.")
