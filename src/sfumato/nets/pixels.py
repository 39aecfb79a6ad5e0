"""Photos as network input."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfumato.errors import InputError

BT601 = (0.299, 0.587, 0.114)


def to_planes(images: Any, device: Any = None) -> Tensor:
    """Return aligned faces as float planes.

    Parameters
    ----------
    images : ndarray or Tensor of shape (n_images, height, width, 3), uint8
        RGB.
    device : torch.device, optional

    Returns
    -------
    Tensor of shape (n_images, 3, height, width), float32
        Values in [0, 255].

    Raises
    ------
    InputError
        For another shape or type, or without any image.
    """
    if not isinstance(images, torch.Tensor):
        images = torch.from_numpy(np.ascontiguousarray(images))
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != torch.uint8 or not len(images):
        raise InputError(
            "images must be uint8 of shape (n_images, height, width, 3), "
            f"got {images.dtype} of shape {tuple(images.shape)}."
        )
    return images.to(device).permute(0, 3, 1, 2).to(torch.float32).contiguous()


def luminance(images: Tensor) -> Tensor:
    """Return the grey picture of colour pictures, by ITU-R BT.601.

    Parameters
    ----------
    images : Tensor of shape (n_images, 3, height, width)

    Returns
    -------
    Tensor of shape (n_images, 1, height, width)
        The weights' sum is 1, so what is added to all three channels is added to this.
    """
    weights = torch.tensor(BT601, dtype=images.dtype, device=images.device)
    return (images * weights[:, None, None]).sum(dim=1, keepdim=True)
