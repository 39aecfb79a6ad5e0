"""A face encoder on crops: what a perturber must not disturb."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class CropMatcher(nn.Module):
    """Templates of unit length, straight from crops; gradients reach the pixels.

    Parameters
    ----------
    net : MobileFaceNet
        Its weights stay as they are.
    zoom : float, default=0.72
        Of the crops (:func:`sfumato.faces.crops.crop_face`): their middle part of this share is
        what the network takes.
    """

    def __init__(self, net: Any, zoom: float = 0.72) -> None:
        super().__init__()
        self.net, self.zoom = net.eval().requires_grad_(False), zoom

    def train(self, mode: bool = True) -> Any:
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return templates.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, size, size)
            RGB in [0, 1].

        Returns
        -------
        Tensor of shape (n_images, dimension)
        """
        size, side = self.net.size, images.shape[-1]
        middle = (side - 1) / 2
        # Where crop_face puts the network's pixels in its crop; grid_sample counts from -1 to 1.
        places = torch.arange(size, device=images.device, dtype=torch.float32)
        places = (places * (side / size) - middle) * self.zoom + middle
        places = (2 * places + 1) / side - 1
        grid = torch.stack(torch.meshgrid(places, places, indexing="ij")[::-1], dim=-1)
        grid = grid.expand(len(images), -1, -1, -1)
        x = functional.grid_sample(images.float(), grid, align_corners=False)
        return functional.normalize(self.net((255 * x - 127.5) / self.net.scale).float(), dim=1)
