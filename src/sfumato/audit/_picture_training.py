"""The training of the network that undoes a perturber."""

from typing import Any

import torch

from sfumato.losses.gan import reconstruction_loss
from sfumato.nets.privacynet import Generator
from sfumato.outcomes import Progress
from sfumato.training.loop import make_fabric
from sfumato.training.networks import Schedule, train_networks


def train_inversion(
    method: Any, protected: Any, original: Any, recipe: Any, progress: Progress | None
) -> Any:
    """Return a network from protected to original pictures, trained by the mean L1 distance."""
    fabric = make_fabric(recipe.accelerator, precision=recipe.precision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(method.seed)
        net = Generator(0, method.width, residual=True)
    optimizer = torch.optim.Adam(net.parameters(), recipe.learning_rate)
    wrapped, optimizer = fabric.setup(net, optimizer)

    def step(rows, at):
        picked = torch.randint(len(original), (len(rows),)).numpy()
        x, wanted = (fabric.to_device(2 * p.batch(picked) - 1) for p in (protected, original))
        loss = reconstruction_loss(wanted, wrapped(x, x.new_zeros(len(x), 0)))
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return {"distance": float(loss.detach())}

    train_networks(
        step,
        dict,
        {"net": net, "optimizer": optimizer},
        recipe.round_iterations * recipe.batch_size,
        Schedule(recipe.n_rounds, recipe.batch_size, seed=method.seed),
        progress=progress,
        keep="last",
    )
    return net.cpu().eval().requires_grad_(False)
