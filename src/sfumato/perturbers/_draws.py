"""Batches that games of a generator draw: pictures, their classes, and those to show."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass
class Batch:
    """Pictures in [-1, 1], their classes, and those to show."""

    x: torch.Tensor
    now: dict
    then: dict


class Draws:
    """Batches drawn by torch's generator, which the loop seeds for each batch.

    Parameters
    ----------
    pictures : Pictures
    codes : dict of str to ndarray of int of shape (n_images,)
        Classes by attribute.
    n_classes : dict of str to int
    fabric : Fabric
        Whose device they go to.
    """

    def __init__(
        self, pictures: Any, codes: dict[str, NDArray[Any]], n_classes: dict[str, int], fabric: Any
    ) -> None:
        self.pictures, self.n_classes, self.fabric = pictures, n_classes, fabric
        self.codes = {name: torch.from_numpy(values) for name, values in codes.items()}
        cells = np.stack(list(codes.values()), axis=1)
        _, cell, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        self.weights = torch.from_numpy(count[cell.ravel()] ** -0.5)

    def __call__(self, n: Any) -> Any:
        """Return a batch of n."""
        return self._batch(torch.multinomial(self.weights, n, replacement=True))

    def shown(self, n: Any) -> Any:
        """Return the batch by which every round is judged."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self(n)

    def _batch(self, rows):
        now = {name: values[rows] for name, values in self.codes.items()}
        then = {}
        for name, own in now.items():
            n_classes = self.n_classes[name]
            step = torch.randint(1, n_classes, own.shape)
            changed = torch.rand(own.shape) < 0.5
            then[name] = torch.where(changed, (own + step) % n_classes, own)
        x = 2 * self.pictures.batch(rows.numpy()) - 1
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
        to = self.fabric.to_device
        return Batch(
            to(x), {k: to(v) for k, v in now.items()}, {k: to(v) for k, v in then.items()}
        )
