"""The networks of PrivacyNet: new ones to train, and those of a fitted perturber."""

from typing import Any

import torch

from sfumato.nets.privacynet import Discriminator, Generator, label_layout

LABELLER_WIDTH = 16


def make_networks(method: Any, n_planes: Any) -> dict[str, Any]:
    """Return generator, discriminator and labeller with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(method.seed)
        return {
            "generator": Generator(n_planes, method.width, residual=method.residual),
            "discriminator": Discriminator(method.size, n_planes, method.width),
            "labeller": _labeller(method.size, n_planes),
        }


def rebuild(method: Any) -> tuple[Any, ...]:
    """Return generator, labeller and layout of a fitted PrivacyNetPerturber."""
    layout, n_planes = label_layout(method.attributes_)
    generator = Generator(n_planes, method.width, residual=method.residual)
    labeller = _labeller(method.size_, n_planes)
    for net, arrays in ((generator, method.generator_), (labeller, method.labeller_)):
        net.load_state_dict({name: torch.tensor(values) for name, values in arrays.items()})
        net.eval().requires_grad_(False)
    return generator, labeller, layout


def _labeller(size, n_planes):
    return Discriminator(size, n_planes, LABELLER_WIDTH, max_width=8 * LABELLER_WIDTH)
