"""dlib's face network in torch, so that gradients reach the pixels."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


class DlibResNet(nn.Module):
    """The network of :mod:`sfumato.faces.dlib_resnet`, at rest: its weights are not trained.

    Parameters
    ----------
    convolutions : list of (ndarray, ndarray)
    last : ndarray of shape (n_filters, dimension)
        Both as :func:`sfumato.faces.dlib_resnet.read_weights` gives them.
    levels : sequence of (int, int)
        Filters and residual blocks of each level.
    """

    def __init__(self, convolutions: Any, last: NDArray[Any], levels: Any) -> None:
        super().__init__()
        for number, (weight, bias) in enumerate(convolutions):
            self.register_buffer(f"weight_{number}", torch.from_numpy(np.array(weight)))
            self.register_buffer(f"bias_{number}", torch.from_numpy(np.array(bias)))
        self.register_buffer("last", torch.from_numpy(np.array(last)))
        self.levels = tuple(levels)

    def forward(self, x: Tensor) -> Tensor:
        """Return templates, shape (n, dimension), of inputs of shape (n, 3, 150, 150)."""
        x = functional.relu(self._convolve(0, x, stride=2))
        x, number = functional.max_pool2d(x, 3, 2), 1
        for level, (n_filters, n_blocks) in enumerate(self.levels):
            for block in range(n_blocks):
                x = self._residual(number, x, n_filters, halve=level > 0 and block == 0)
                number += 2
        last: Any = self.last
        return x.mean(dim=(2, 3)) @ last

    def _residual(self, number, x, n_filters, *, halve):
        """Return a block's output; where it halves, the smaller summand is filled with zeros."""
        y = functional.relu(self._convolve(number, x, stride=2 if halve else 1))
        y = self._convolve(number + 1, y)
        if halve:
            x = functional.avg_pool2d(x, 2, 2)
            missing = x.shape[-1] - y.shape[-1]
            y = functional.pad(y, (0, missing, 0, missing))
            x = functional.pad(x, (0, 0, 0, 0, 0, n_filters - x.shape[1]))
        return functional.relu(x + y)

    def _convolve(self, number, x, stride=1):
        weight, bias = getattr(self, f"weight_{number}"), getattr(self, f"bias_{number}")
        padding = weight.shape[-1] // 2 if stride == 1 else 0
        return functional.conv2d(x, weight, bias, stride, padding)
