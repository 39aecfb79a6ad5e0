"""A soft change of a face: a smooth warp and smooth light, of a few hundred numbers.

Fields lie over the face's crop. They have no resolution: of any size they are the same smooth
curves, so a photo is changed at its own size and nothing is resampled but by the warp itself.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

#: Numbers a side of the warp, of lightness (gain, then offset) and of chroma.
WARP, LIGHT, CHROMA = 9, 10, 7
#: Kinds of numbers and their shapes.
SHAPES = {
    "warp": (2, WARP, WARP),
    "gain": (1, LIGHT, LIGHT),
    "light": (1, LIGHT, LIGHT),
    "chroma": (2, CHROMA, CHROMA),
}
#: The most that each may do: shifts, as shares of the crop's side, and relative gain, lightness,
#: Cb and Cr, as shares of white.
BOUNDS = {"warp": 0.05, "gain": 0.13, "light": 0.13, "chroma": 0.01}
#: Centre and half axes of the face in its crop, as shares of a side; 1 inside this share of them.
CENTRE, AXES, FULL = (0.5, 0.56), (0.45, 0.5), 0.6
EDGE = 1 / 16
# Red, green and blue of Cb and Cr, ITU-R BT.601.
CB, CR = (0.0, -0.344136, 1.772), (1.402, -0.714136, 0.0)


def face_mask(size: int) -> NDArray[np.float32]:
    """Return how much of a change each pixel of a crop gets, shape (size, size).

    1 on the face, 0 outside an ellipse around it and on the outermost sixteenth; level at both
    ends.
    """
    at = (np.arange(size) + 0.5) / size
    x, y = (at[None, :] - CENTRE[0]) / AXES[0], (at[:, None] - CENTRE[1]) / AXES[1]
    inside = _step((1 - np.sqrt(x**2 + y**2)) / (1 - FULL))
    pixel = np.arange(size)
    border = _step(np.minimum(pixel, size - 1 - pixel) / (size * EDGE))
    return (inside * np.outer(border, border)).astype(np.float32)


def _step(x):
    x = np.clip(x, 0, 1)
    return x**2 * (3 - 2 * x)


def make_fields(numbers: dict[str, Tensor], amount: float, size: int) -> Tensor:
    """Return the fields of bounded numbers.

    Parameters
    ----------
    numbers : dict of str to Tensor
        Of the shapes in :data:`SHAPES`, any reals; they are bounded by tanh.
    amount : float > 0
        Times the bounds, :data:`BOUNDS`.
    size : int
        Pixels a side.

    Returns
    -------
    Tensor of shape (6, size, size)
        Shift in x and y (shares of the side), gain less 1, and what is added to red, green and
        blue (shares of white).
    """
    mask = torch.from_numpy(face_mask(size))
    fields = {
        name: functional.interpolate(
            amount * BOUNDS[name] * torch.tanh(values)[None],
            (size, size),
            mode="bicubic",
            align_corners=True,
        )[0]
        for name, values in numbers.items()
    }
    tint = torch.einsum("cyx,cr->ryx", fields["chroma"], torch.tensor([CB, CR]))
    return torch.cat([fields["warp"], fields["gain"], fields["light"] + tint]) * mask


def apply_fields(x: Tensor, fields: Tensor, mode: str = "bilinear") -> Tensor:
    """Return a crop of shape (1, 3, height, width), in [0, 1], under fields of its size."""
    ends = ((2 * torch.arange(side, dtype=torch.float32) + 1) / side - 1 for side in x.shape[-2:])
    rows, columns = torch.meshgrid(*ends, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1) + 2 * fields[:2].permute(1, 2, 0)
    moved = functional.grid_sample(
        x, grid[None], mode=mode, padding_mode="border", align_corners=False
    )
    return (moved * (1 + fields[2]) + fields[3:]).clamp(0, 1)


def resize_fields(fields: Tensor, height: int, width: int) -> Tensor:
    """Return fields of shape (6, size, size) at another size, shape (6, height, width)."""
    return functional.interpolate(
        fields[None], (height, width), mode="bicubic", align_corners=False
    )[0]
