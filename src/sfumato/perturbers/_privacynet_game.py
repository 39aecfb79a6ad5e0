"""The game of PrivacyNet: its networks, and the updates of one step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from sfumato.losses.gan import (
    attribute_loss,
    critic_loss,
    generator_source_loss,
    gradient_penalty,
    matching_loss,
    reconstruction_loss,
)
from sfumato.nets.privacynet import label_planes

PENALTY = 10.0


@dataclass(frozen=True)
class Nets:
    """Everything that learns, or is learnt from, in one training.

    Parameters
    ----------
    generator, discriminator, labeller : Module
    critic : callable
        D_src in a form that has a gradient of its gradient.
    alter : callable
        Alters pictures before adversaries see them.
    matcher : callable, optional
        Templates from pictures in [0, 1].
    wanted : callable, optional
        From templates to what they should become, both arrays.
    readers, adversaries : sequence
        Networks that read the attributes: as they were, and copies that go on learning.
    """

    generator: nn.Module
    discriminator: nn.Module
    labeller: nn.Module
    critic: Callable
    alter: Callable
    matcher: Callable | None = None
    wanted: Callable | None = None
    readers: Sequence[Callable] = ()
    adversaries: Sequence[nn.Module] = ()


@dataclass(frozen=True)
class Optimizers:
    """One for each network that learns."""

    generator: Any
    discriminator: Any
    labeller: Any
    adversaries: Sequence[Any] = ()


def discriminator_step(
    nets: Any, batch: Any, optimizers: Any, layout: Any, descend: Any
) -> dict[str, Any]:
    """Update D (Eq. 1), and the small network that will read labels; return the losses."""
    with torch.no_grad():
        fake = nets.generator(batch.x, label_planes(batch.then, layout))
    real_scores, logits = nets.discriminator(batch.x)
    fake_scores, _ = nets.discriminator(fake)
    source = critic_loss(real_scores, fake_scores)
    mix = torch.rand(len(batch.x), device=batch.x.device)
    penalty = gradient_penalty(nets.critic, batch.x, fake, mix)
    attribute = attribute_loss(logits, batch.now, layout)
    descend(source + PENALTY * penalty + attribute, optimizers.discriminator)
    reading = attribute_loss(nets.labeller(batch.x)[1], batch.now, layout)
    descend(reading, optimizers.labeller)
    return {"D source": source, "D attribute": attribute, "penalty": penalty}


def generator_step(
    nets: Any, batch: Any, optimizers: Any, layout: Any, descend: Any, weights: Any
) -> tuple[Any, ...]:
    """Update G (Eq. 2); return the losses and the changed pictures."""
    changed = nets.generator(batch.x, label_planes(batch.then, layout))
    scores, logits = nets.discriminator(changed)
    source = generator_source_loss(scores)
    every = [logits]
    if nets.adversaries:
        altered = nets.alter(changed)
        every += [net(altered) for net in (*nets.readers, *nets.adversaries)]
    # Of D alone in the paper.
    attribute = sum(attribute_loss(own, batch.then, layout) for own in every) / len(every)
    again = nets.generator(changed, label_planes(batch.now, layout))
    reconstruction = reconstruction_loss(batch.x, again)
    total = (
        source
        + weights.attribute_weight * attribute
        + weights.reconstruction_weight * reconstruction
    )
    found = {"G source": source, "G attribute": attribute, "reconstruction": reconstruction}
    if nets.matcher is not None and weights.matching_weight:
        templates = _templates_to_match(nets, batch.x)
        matching = matching_loss(nets.matcher((changed + 1) / 2), templates)
        total = total + weights.matching_weight * matching
        found["matching"] = matching
    descend(total, optimizers.generator)
    return found, changed.detach()


def adversary_step(
    nets: Any, number: Any, batch: Any, changed: Any, optimizers: Any, layout: Any, descend: Any
) -> dict[str, Any]:
    """Teach one adversary what is true of original and changed pictures; return the loss."""
    net = nets.adversaries[number]
    net.train()
    logits = net(nets.alter(torch.cat([batch.x, changed])))
    now = {name: torch.cat([codes, codes]) for name, codes in batch.now.items()}
    loss = attribute_loss(logits, now, layout)
    descend(loss, optimizers.adversaries[number])
    net.eval()
    return {"adversary": loss}


@torch.no_grad()
def _templates_to_match(nets, x):
    """Return what the templates of changed pictures should be, of unit length."""
    templates = nets.matcher((x + 1) / 2)
    if nets.wanted is None:
        return templates
    wanted = np.asarray(nets.wanted(templates.float().cpu().numpy()), dtype=np.float32)
    return nn.functional.normalize(torch.from_numpy(wanted).to(templates.device), dim=1)
