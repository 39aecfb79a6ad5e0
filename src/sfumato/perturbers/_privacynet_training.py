"""Training of PrivacyNet: the networks are made, the game is played batch by batch."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.nets.privacynet import label_layout, label_planes, read_labels
from sfumato.outcomes import Progress
from sfumato.perturbers._draws import Draws
from sfumato.perturbers._privacynet_game import (
    Nets,
    Optimizers,
    adversary_step,
    discriminator_step,
    generator_step,
)
from sfumato.perturbers._privacynet_networks import make_networks
from sfumato.perturbers._sheets import save_sheet
from sfumato.perturbers.adversaries import make_altered
from sfumato.training.loop import make_fabric
from sfumato.training.networks import Schedule, train_networks

BETAS = (0.5, 0.999)
AVERAGE = 0.999
N_SHOWN = 64
SAMPLES = "samples.png"
#: Parameters that do not matter before it is used.
USE = ("labeller", "strength")


@dataclass(frozen=True)
class Others:
    """What was trained before: see :meth:`PrivacyNetPerturber.fit`."""

    matcher: Any = None
    wanted: Callable | None = None
    adversaries: Sequence = ()


def train(
    method: Any,
    pictures: Any,
    codes: dict[str, NDArray[Any]],
    attributes: dict[str, list[str]],
    others: Others,
    recipe: Any,
    folder: Any,
    progress: Progress | None,
) -> tuple[Any, ...]:
    """Return weights of the generator and the labeller, and the history.

    Parameters
    ----------
    method : PrivacyNetPerturber
        Its parameters.
    pictures : Pictures
    codes : dict of str to ndarray of int of shape (n_images,)
    attributes : dict of str to list of str
    others : Others
    recipe, folder, progress
        As for :meth:`sfumato.perturbers.privacynet.PrivacyNetPerturber.fit`.
    """
    fabric = make_fabric(recipe.accelerator, precision=recipe.precision)
    layout, _ = label_layout(attributes)
    draw = Draws(pictures, codes, {name: n for name, (_, n) in layout.items()}, fabric)
    game = Game(method, attributes, others, recipe, fabric)

    def validate():
        batch = draw.shown(N_SHOWN)
        if folder is not None and recipe.n_samples:
            samples = Path(folder) / SAMPLES
            _write_samples(game.average, batch, layout, recipe.n_samples, samples)
        return _validate(game.average, game.nets, batch, layout)

    history = train_networks(
        lambda rows, at: game.step(draw(len(rows)), at),
        validate,
        game.parts,
        recipe.round_iterations * recipe.batch_size,
        Schedule(recipe.n_rounds, recipe.batch_size, seed=method.seed),
        folder=folder,
        settings=_settings(method, others, recipe, len(pictures)),
        progress=progress,
        keep="last",
    )
    return _arrays(game.average), _arrays(game.parts["labeller"]), history


class Game:
    """The networks and optimizers of one training, and a step of it.

    Parameters
    ----------
    method : PrivacyNetPerturber
    attributes : dict of str to list of str
    others : Others
    recipe : PerturberRecipe
    fabric : Fabric

    Attributes
    ----------
    nets : Nets
    optimizers : Optimizers
    average : Generator
        Its weights are those of the generator, averaged exponentially over the training.
    parts : dict of str to Module or Optimizer
        All that a checkpoint holds.
    """

    def __init__(
        self,
        method: Any,
        attributes: dict[str, list[str]],
        others: Others,
        recipe: Any,
        fabric: Any,
    ) -> None:
        self.method, self.fabric = method, fabric
        self.layout, n_planes = label_layout(attributes)
        self.n_steps = recipe.n_rounds * recipe.round_iterations
        self.loss_names = ["G source", "G attribute", "reconstruction"]
        if others.matcher is not None and method.matching_weight:
            self.loss_names.append("matching")
        bare = make_networks(method, n_planes)
        learning = [deepcopy(net).eval().requires_grad_(True) for net in others.adversaries]
        rate = recipe.learning_rate
        self.average = deepcopy(bare["generator"]).to(fabric.device)
        placed = {name: _place(net, rate, fabric, betas=BETAS) for name, net in bare.items()}
        rivals = [_place(net, rate, fabric) for net in learning]
        self.nets = _nets(bare, placed, rivals, others, fabric)
        self.optimizers = Optimizers(
            **{name: adam for name, (_, adam) in placed.items()},
            adversaries=[adam for _, adam in rivals],
        )
        for number, (net, pair) in enumerate(zip(learning, rivals, strict=True)):
            bare[f"adversary {number}"] = net
            placed[f"adversary {number}"] = pair
        self.parts = bare | {f"{name} optimizer": adam for name, (_, adam) in placed.items()}
        self.parts["average"] = self.average

    def step(self, batch: Any, at: float) -> dict[str, float]:
        """Play one batch: D always, G and one adversary every ``n_critic`` batches.

        Parameters
        ----------
        batch : Batch
        at : float in [0, 1)
            The share of the training done.

        Returns
        -------
        dict of str to float
            A figure of every step: G's are those of its own steps, spread over the others.
        """
        n_critic, number = self.method.n_critic, round(at * self.n_steps)
        game = (self.optimizers, self.layout, self._descend)
        losses = discriminator_step(self.nets, batch, *game)
        found = dict.fromkeys(self.loss_names, 0.0)
        if number % n_critic == 0:
            own, changed = generator_step(self.nets, batch, *game, self.method)
            found = {name: n_critic * float(own[name].detach()) for name in found}
            _move_average(self.average, self.parts["generator"], number)
            if self.nets.adversaries:
                turn = number // n_critic % len(self.nets.adversaries)
                loss = adversary_step(self.nets, turn, batch, changed, *game)["adversary"]
                losses["adversary"] = n_critic * loss
        return {name: float(loss.detach()) for name, loss in losses.items()} | found

    def _descend(self, loss, optimizer):
        optimizer.zero_grad()
        self.fabric.backward(loss)
        _check_gradients(optimizer)
        optimizer.step()


def _place(net, learning_rate, fabric, **options):
    """Return a network on the training's device, and its optimizer."""
    return fabric.setup(net, torch.optim.Adam(net.parameters(), learning_rate, **options))


def _nets(bare, placed, rivals, others, fabric):
    """Return all that learns, or is learnt from, on the training's device."""

    def critic(x):
        # Fabric's wrapper forbids a gradient of a gradient.
        with fabric.autocast():
            return bare["discriminator"](x)[0].float()

    frozen = [
        deepcopy(net).to(fabric.device).eval().requires_grad_(False) for net in others.adversaries
    ]
    matcher = others.matcher
    if matcher is not None:
        matcher = _autocast(matcher.to(fabric.device), fabric)
    return Nets(
        **{name: net for name, (net, _) in placed.items()},
        critic=critic,
        alter=make_altered() if rivals else _leave,
        matcher=matcher,
        wanted=others.wanted,
        readers=[_autocast(net, fabric) for net in frozen],
        adversaries=[net for net, _ in rivals],
    )


def _leave(x):
    return x


def _autocast(net, fabric):
    def call(x):
        with fabric.autocast():
            return net(x).float()

    return call


def _settings(method, others, recipe, n_images):
    """Return what decides what is trained, as checkpoints hold it."""
    chosen = {name: value for name, value in vars(recipe).items() if name != "n_samples"}
    params = {name: v for name, v in method.get_params().items() if name not in USE}
    found = {"method": params, "recipe": chosen, "rows": n_images}
    return found | ({"adversaries": len(others.adversaries)} if others.adversaries else {})


def _check_gradients(optimizer):
    """Stop before a step that would spoil the weights."""
    for group in optimizer.param_groups:
        gradients = [p.grad for p in group["params"] if p.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        if not torch.isfinite(norm):
            raise InputError(f"the training diverged (a gradient is {norm}); lower its rate.")


def _move_average(average, net, number):
    """Move the average towards the weights; faster at the start."""
    decay = min(AVERAGE, (1 + number) / (10 + number))
    with torch.no_grad():
        for mean, value in zip(
            average.state_dict().values(), net.state_dict().values(), strict=True
        ):
            mean.lerp_(value, 1 - decay)


@torch.no_grad()
def _write_samples(net, batch, layout, n_samples, path):
    """Write originals and, of each attribute, all classes, the others kept."""
    x = batch.x[:n_samples]
    now = {name: codes[:n_samples] for name, codes in batch.now.items()}
    columns = [x]
    for name, (_, n_classes) in layout.items():
        for code in range(n_classes):
            then = now | {name: torch.full_like(now[name], code)}
            columns.append(net(x, label_planes(then, layout)))
    save_sheet([((column.float() + 1) / 2).cpu().numpy() for column in columns], path)


@torch.no_grad()
def _validate(average, nets, batch, layout):
    """Return what D or the adversaries read on the average's pictures, and their likeness."""
    changed = average(batch.x, label_planes(batch.then, layout))
    logits = nets.discriminator(changed)[1]
    if nets.adversaries:
        logits = sum(net(changed) for net in nets.adversaries)
    said = read_labels(logits, layout)
    moved = {n: batch.now[n] != batch.then[n] for n in layout}
    shown = torch.cat([(said[n] == batch.then[n])[moved[n]] for n in layout]).float().mean()
    kept = torch.cat([(said[n] == batch.then[n])[~moved[n]] for n in layout]).float().mean()
    found = {"shown": float(shown), "kept": float(kept)}
    found["change"] = float((changed - batch.x).abs().mean()) / 2
    if nets.matcher is not None:
        a, b = (nets.matcher((x + 1) / 2) for x in (batch.x, changed))
        found["cosine"] = float((a * b).sum(dim=1).mean())
    return found


def _arrays(net):
    return {name: t.detach().float().cpu().numpy().copy() for name, t in net.state_dict().items()}
