"""The networks on pixels, by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.errors import InputError
from sfumato.nets.inception import InceptionV3
from sfumato.nets.mobile import IResNet, MobileFaceNetBackbone
from sfumato.nets.resnet import ResNet
from sfumato.nets.vgg import Vgg16
from sfumato.validation import check_choice

BACKBONES: dict[str, Callable[..., Any]] = {
    **{f"resnet{depth}": partial(ResNet, depth) for depth in (18, 34, 50, 101)},
    "vgg16": Vgg16,
    "inception-v3": InceptionV3,
    "mobilefacenet": MobileFaceNetBackbone,
    "iresnet": IResNet,
}


def make_backbone(name: str, *, n_channels: int = 3, seed: int = 0, **options: Any) -> Any:
    """Return an untrained network without classifier.

    Parameters
    ----------
    name : str
        Of :data:`BACKBONES`.
    n_channels : {1, 3}, default=3
        Grey or colour images.
    seed : int, default=0
        Draws the weights; the global seed stays untouched.
    **options
        Of the network, such as ``width`` of a ResNet.

    Returns
    -------
    Module
        From images of shape (n_images, n_channels, height, width), at least 64 pixels high and
        wide, to features of shape (n_images, ``dimension``).
    """
    check_choice(name, tuple(BACKBONES), "backbone")
    check_argument(n_channels, POSITIVE_INT, "n_channels")
    if n_channels not in (1, 3):
        raise InputError(f"n_channels must be 1 or 3, got {n_channels}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BACKBONES[name](n_channels=n_channels, **options)
