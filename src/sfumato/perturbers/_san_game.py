"""The game of semi-adversarial networks: its networks, its batches, and its two updates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sfumato.losses.san import gender_loss, matching_loss, pixel_loss
from sfumato.nets.pixels import luminance
from sfumato.perturbers.san_output import coloured
from sfumato.training.update import update


@dataclass(frozen=True)
class SanNets:
    """The autoencoder, and, both frozen, the auxiliary classifier f_G and the matcher F_M."""

    autoencoder: nn.Module
    classifier: Callable
    matcher: Callable | None = None


@dataclass(frozen=True)
class SanBatch:
    """Pictures of one batch, in [0, 1].

    Parameters
    ----------
    x : Tensor of shape (n_images, 3, size, size)
        In colour.
    reference : Tensor of shape (n_images, 3, size, size)
        What the matcher compares with: ``x``, but in a flow the picture before all SANs.
    same, opposite : Tensor of shape (n_images, 3, size, size)
        Prototypes of each picture's own class and of the other.
    y : int64 Tensor of shape (n_images,)
        Classes, 0 or 1.
    """

    x: torch.Tensor
    reference: torch.Tensor
    same: torch.Tensor
    opposite: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True)
class SanWeights:
    """Weights of the pixel term and of J_M in the loss of the game."""

    pixel: float
    matching: float


def pretraining_step(autoencoder: Any, batch: SanBatch, optimizer: Any) -> dict[str, float]:
    """Teach the autoencoder to give its input back: J_D, averaged over the batch.

    Parameters
    ----------
    autoencoder : SanAutoencoder
    batch : SanBatch
    optimizer : Optimizer

    Returns
    -------
    dict of str to float
    """
    grey = luminance(batch.x)
    (output,) = autoencoder(grey, batch.same, batch.same)
    loss = pixel_loss(grey, output).mean()
    update(loss, optimizer)
    return {"pixel": loss.item()}


def san_step(
    nets: SanNets, batch: SanBatch, optimizer: Any, weights: SanWeights
) -> dict[str, float]:
    """Make the update of one batch: J_G + weights * (|X - X'_SM|, J_M); this is the whole game.

    Parameters
    ----------
    nets : SanNets
    batch : SanBatch
    optimizer : Optimizer
        Of the autoencoder.
    weights : SanWeights

    Returns
    -------
    dict of str to float
        The terms, and the share of pictures X'_OP that the classifier reads as 1 - y.
    """
    grey = luminance(batch.x)
    outputs = nets.autoencoder(grey, batch.same, batch.same, batch.opposite)
    logits_same, logits_opposite = (nets.classifier(output).float() for output in outputs)
    gender = gender_loss(logits_same, logits_opposite, batch.y).mean()
    pixel = (grey - outputs[0]).abs().mean()
    loss, matching = gender + weights.pixel * pixel, torch.zeros(())
    if nets.matcher is not None and weights.matching > 0:
        matching = _matching(nets.matcher, batch, outputs)
        loss = loss + weights.matching * matching
    update(loss, optimizer)
    flipped = (logits_opposite.argmax(dim=1) != batch.y).float().mean()
    figures = {"gender": gender, "pixel": pixel, "matching": matching, "flipped": flipped}
    return {name: value.item() for name, value in figures.items()}


def _matching(matcher, batch, outputs):
    """Return J_M, averaged over the outputs."""
    with torch.no_grad():
        wanted = functional.normalize(matcher(batch.reference).float())
    # What will be published is in colour; X'_OP must match too, not X'_SM alone.
    found = [functional.normalize(matcher(coloured(batch.x, out)).float()) for out in outputs]
    return sum(matching_loss(each, wanted).mean() for each in found) / len(found)
