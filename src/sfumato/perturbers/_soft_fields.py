"""A soft change of a face: a smooth warp and smooth light, of a few hundred numbers.

Fields lie over the face's crop. They have no resolution: of any size they are the same smooth
curves, so a photo is changed at its own size and nothing is resampled but by the warp itself.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

#: Numbers a side of the warp, of lightness (gain, then offset), of chroma and of detail.
WARP, LIGHT, CHROMA, DETAIL = 9, 9, 7, 9
#: Kinds of numbers and their shapes.
SHAPES = {
    "warp": (2, WARP, WARP),
    "gain": (1, LIGHT, LIGHT),
    "light": (1, LIGHT, LIGHT),
    "chroma": (2, CHROMA, CHROMA),
    "detail": (1, DETAIL, DETAIL),
}
#: The most that each may do: shifts, as shares of the crop's side; relative gain; lightness, Cb
#: and Cr, as shares of white; and relative contrast to the blurred face.
BOUNDS = {"warp": 0.035, "gain": 0.12, "light": 0.12, "chroma": 0.01, "detail": 0.45}
#: Standard deviation of that blur, as a share of the crop's side: brows, eyes and lips are detail.
BLUR = 0.03
#: Centre and half axes of the face in its crop, as shares of a side; 1 inside this share of them.
CENTRE, AXES, FULL = (0.5, 0.56), (0.45, 0.5), 0.6
EDGE = 1 / 16
#: Between nose and mouth shade looks like a moustache: centre and half axes of where lightness
#: gets less, and by which share in the middle.
LIP, LIP_AXES, LIP_LESS = (0.5, 0.665), (0.16, 0.07), 0.8
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


def shade_mask(size: int) -> NDArray[np.float32]:
    """Return how much of a change of lightness each pixel gets, of what the face mask gives."""
    at = (np.arange(size) + 0.5) / size
    x, y = (at[None, :] - LIP[0]) / LIP_AXES[0], (at[:, None] - LIP[1]) / LIP_AXES[1]
    return (1 - LIP_LESS * np.exp(-(x**2) - y**2)).astype(np.float32)


def _step(x):
    x = np.clip(x, 0, 1)
    return x**2 * (3 - 2 * x)


def make_fields(numbers: dict[str, Tensor], amount: float, blurred: Tensor) -> Tensor:
    """Return the fields of bounded numbers.

    Parameters
    ----------
    numbers : dict of str to Tensor
        Of the shapes in :data:`SHAPES`, any reals; they are bounded by tanh.
    amount : float > 0
        Times the bounds, :data:`BOUNDS`.
    blurred : Tensor of shape (1, 3, size, size)
        The picture that they are for, of :func:`blur`.

    Returns
    -------
    Tensor of shape (6, size, size)
        Shift in x and y (shares of the side), gain less 1, and what is added to red, green and
        blue (shares of white).

    Notes
    -----
    With a contrast d to the blurred face b a pixel x becomes x + d (x - b), which is a gain d
    and an offset -d b; both are smooth.
    """
    size = blurred.shape[-1]
    mask, shade = torch.from_numpy(face_mask(size)), torch.from_numpy(shade_mask(size))
    fields = {
        name: mask
        * functional.interpolate(
            amount * BOUNDS[name] * torch.tanh(values)[None],
            (size, size),
            mode="bicubic",
            align_corners=True,
        )[0]
        for name, values in numbers.items()
    }
    tint = torch.einsum("cyx,cr->ryx", fields["chroma"], torch.tensor([CB, CR]))
    moved = _move(blurred, fields["warp"], "bilinear")[0]
    gain = shade * fields["gain"] + fields["detail"]
    added = shade * fields["light"] + tint - fields["detail"] * moved
    return torch.cat([fields["warp"], gain, added])


def apply_fields(x: Tensor, fields: Tensor, mode: str = "bilinear") -> Tensor:
    """Return a crop of shape (1, 3, height, width), in [0, 1], under fields of its size."""
    return (_move(x, fields[:2], mode) * (1 + fields[2]) + fields[3:]).clamp(0, 1)


def _move(x, shifts, mode):
    ends = ((2 * torch.arange(side, dtype=torch.float32) + 1) / side - 1 for side in x.shape[-2:])
    rows, columns = torch.meshgrid(*ends, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1) + 2 * shifts.permute(1, 2, 0)
    how: dict[str, Any] = {"mode": mode, "padding_mode": "border", "align_corners": False}
    return functional.grid_sample(x, grid[None], **how)


def blur(x: Tensor) -> Tensor:
    """Return pictures of shape (n, 3, size, size) blurred by a Gaussian of :data:`BLUR`."""
    sigma = BLUR * x.shape[-1]
    reach = int(np.ceil(3 * sigma))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    window = torch.exp(-(at**2) / (2 * sigma**2))
    window = (window / window.sum()).expand(3, 1, 1, -1)
    padded = functional.pad(x, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, window, groups=3)
    return functional.conv2d(across, window.transpose(2, 3), groups=3)


def resize_fields(fields: Tensor, height: int, width: int) -> Tensor:
    """Return fields of shape (6, size, size) at another size, shape (6, height, width)."""
    return functional.interpolate(
        fields[None], (height, width), mode="bicubic", align_corners=False
    )[0]
