"""One step of a reader's training: the losses of a batch, and the update of the weights."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from sfumato.readers.tasks import MISSING
from sfumato.training.processes import n_processes, of_batch, own_part

#: Of the mean squared error of a guide whose columns have unit variance.
GUIDE_WEIGHT = 3.0


class Guided(nn.Module):
    """A network that also tells a guide in training, by a linear layer that is not kept.

    Parameters
    ----------
    net : MultiTaskNet
    guide : ndarray of shape (n_samples, n_columns) or None
        NaN in rows where it is not known.
    """

    def __init__(self, net: Any, guide: NDArray[Any] | None) -> None:
        super().__init__()
        self.net, self.layer = net, None
        if guide is not None:
            deviation = np.nanstd(guide, axis=0)
            scaled = (guide - np.nanmean(guide, axis=0)) / np.where(deviation > 0, deviation, 1)
            self.layer = nn.Linear(net.trunk.dimension, guide.shape[1])
            # Not a buffer: it is not saved.
            self._guide = [torch.from_numpy(scaled.astype(np.float32))]

    def forward(self, x: Any) -> tuple[Any, ...]:
        """Return the logits by task, and what the layer tells, or None."""
        features = self.net.trunk(x)
        return self.net.read(features), None if self.layer is None else self.layer(features)

    def error(self, told: Any, rows: Any) -> Any:
        """Return the mean squared error over the rows whose guide is known."""
        wanted = self._guide[0][torch.from_numpy(rows)].to(told.device)
        known = ~wanted.isnan().any(dim=1)
        return functional.mse_loss(told[known], wanted[known]) if known.any() else told.sum() * 0


class Step:
    """One update of a guided network on a batch, of which this process computes its part.

    Parameters
    ----------
    fabric : Fabric
    guided : Guided
    wrapped : Module
        The same, as :func:`sfumato.training.processes.prepare` returns it.
    optimizer : Optimizer
    train : Rows
    losses : dict of str to callable
        ``loss(logits, codes)`` of each task.
    learning_rate : float
        The highest.
    """

    def __init__(
        self,
        fabric: Any,
        guided: Guided,
        wrapped: Any,
        optimizer: Any,
        train: Any,
        losses: dict[str, Callable[..., Any]],
        learning_rate: float,
    ) -> None:
        self.fabric, self.guided, self.wrapped = fabric, guided, wrapped
        self.optimizer, self.learning_rate = optimizer, learning_rate
        self.train, self.losses = train, losses
        self.targets = {name: torch.from_numpy(codes) for name, codes in train.codes.items()}

    def __call__(self, rows: Any, at: Any) -> dict[str, Any]:
        """Return the loss of the whole batch."""
        self.wrapped.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * rate(at)
        found, idle = self._losses_of(rows)
        if not found:
            return {"loss": 0.0}
        total = sum(found.values())
        n = n_processes(self.fabric)
        if n > 1:
            # Every process waits for the gradients of all weights, those too that have none.
            total = total + sum(0 * logits.sum() for logits in idle.values())
        self.optimizer.zero_grad()
        self.fabric.backward(n * total)
        for name in idle:
            self.guided.net.heads[name].zero_grad(set_to_none=True)
        self.optimizer.step()
        return {"loss": float(total.detach())}

    def _losses_of(self, rows):
        """Return each task's loss, and the logits of those that no row has a label of."""
        own = own_part(rows, self.fabric)
        logits, told = self.wrapped(self.fabric.to_device(self.train.inputs(own, True)))
        found: dict[Any, Any] = {}
        idle: dict[str, Any] = {}
        for name, loss in self.losses.items():
            codes = self.fabric.to_device(self.targets[name][torch.from_numpy(rows)])
            known, z = codes != MISSING, of_batch(logits[name], len(rows), self.fabric)
            if known.any():
                found[name] = loss(z[known], codes[known])
            else:
                idle[name] = z
        if told is not None:
            told = of_batch(told, len(rows), self.fabric)
            found[None] = GUIDE_WEIGHT * self.guided.error(told, rows)
        return found, idle


def rate(at: Any) -> Any:
    """Return the factor of the learning rate at a share of the training done."""
    warm = 0.05
    return (at + 1e-3) / warm if at < warm else 0.5 + 0.5 * math.cos(math.pi * at)
