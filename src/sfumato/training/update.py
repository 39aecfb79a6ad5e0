"""One update of the networks that a loss is meant for."""

from typing import Any

from torch import Tensor


def update(loss: Tensor, *optimizers: Any) -> None:
    """Descend on ``loss`` with these optimizers alone; other networks keep their weights.

    Gradients that the backward pass leaves in networks of other optimizers are cleared by the
    next update of those.

    Parameters
    ----------
    loss : Tensor of shape ()
    *optimizers : torch.optim.Optimizer or None
        None, for a network that the game does without, is skipped.
    """
    used = [optimizer for optimizer in optimizers if optimizer is not None]
    for optimizer in used:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in used:
        optimizer.step()
