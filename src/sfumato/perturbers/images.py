"""Pictures as the perturbers take them: checked, scaled, read in batches."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from sfumato.errors import InputError
from sfumato.faces.crops import Stack, Subset
from sfumato.validation import check_images, need

#: What perturbers are fitted on, see :class:`Pictures`.
Images = ArrayLike | Stack | Subset


def resized(images: Any, height: int, width: int) -> Tensor:
    """Return images of another size; bilinear, smoothed before they are made smaller.

    Parameters
    ----------
    images : ndarray or Tensor of shape (n_images, 3, height, width)
    height, width : int
        Pixels.

    Returns
    -------
    Tensor of shape (n_images, 3, height, width), float32
    """
    torch = need("torch", "deep")
    x = torch.as_tensor(images, dtype=torch.float32)
    if x.shape[-2:] == (height, width):
        return x
    return torch.nn.functional.interpolate(
        x, (height, width), mode="bilinear", align_corners=False, antialias=True
    )


class Pictures:
    """Training pictures, read in batches as float planes of one size.

    Parameters
    ----------
    images : array-like of shape (n_images, 3, height, width), float in [0, 1]
        Or uint8 of shape (n_images, height, width, 3): an array, memory-mapped or not, or a
        :class:`~sfumato.faces.crops.Stack` or :class:`~sfumato.faces.crops.Subset`.
    size : int
        Pixels a side.
    """

    def __init__(self, images: Any, size: int) -> None:
        self.size = size
        if not isinstance(images, Stack | Subset):
            images = np.asanyarray(images)
        if len(images.shape) != 4:
            raise InputError("images must have four dimensions: faces, and each a picture.")
        self._bytes = images.shape[-1] == 3 and images.dtype == np.uint8
        self.images = images if self._bytes else check_images(images)

    def __len__(self):
        return len(self.images)

    def batch(self, rows: Any) -> Any:
        """Return pictures in [0, 1], a float32 Tensor of shape (n_rows, 3, size, size)."""
        torch = need("torch", "deep")
        rows = np.asarray(rows)
        if not self._bytes:
            return resized(self.images[rows], self.size, self.size)
        planes = torch.from_numpy(np.ascontiguousarray(self.images[rows])).permute(0, 3, 1, 2)
        return resized(planes.float() / 255, self.size, self.size)
