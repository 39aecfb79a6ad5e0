"""The game of PrivacyNet: its networks, one step, and the loop."""

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfumato.errors import InputError
from sfumato.losses.gan import (
    attribute_loss,
    critic_loss,
    generator_source_loss,
    gradient_penalty,
    matching_loss,
    reconstruction_loss,
)
from sfumato.nets.privacynet import (
    Discriminator,
    Generator,
    label_layout,
    label_planes,
    read_labels,
)
from sfumato.perturbers._draws import Draws
from sfumato.perturbers._sheets import save_sheet
from sfumato.perturbers.adversaries import make_altered
from sfumato.training.loop import make_fabric
from sfumato.training.networks import Schedule, train_networks

PENALTY = 10.0
BETAS = (0.5, 0.999)
AVERAGE = 0.999
LABELLER_WIDTH = 16
N_SHOWN = 64
SAMPLES = "samples.png"
#: Parameters that do not matter before it is used.
USE = ("labeller", "strength")


@dataclass
class Nets:
    """Everything that learns, or is learnt from, in one training."""

    generator: Any
    discriminator: Any
    labeller: Any
    critic: Any = None
    matcher: Any = None
    wanted: Any = None
    altered: Any = None
    readers: list = field(default_factory=list)
    adversaries: list = field(default_factory=list)


@dataclass(frozen=True)
class Others:
    """What was trained before: see :meth:`PrivacyNetPerturber.fit`."""

    matcher: Any = None
    wanted: Any = None
    adversaries: Any = ()


@dataclass
class Optimizers:
    """One for each network that learns."""

    generator: Any
    discriminator: Any
    labeller: Any
    adversaries: list = field(default_factory=list)


def discriminator_step(nets, batch, optimizers, layout, descend):
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


def generator_step(nets, batch, optimizers, layout, descend, weights):
    """Update G (Eq. 2); return the losses and the changed pictures."""
    changed = nets.generator(batch.x, label_planes(batch.then, layout))
    scores, logits = nets.discriminator(changed)
    source = generator_source_loss(scores)
    every = [logits]
    if nets.adversaries:
        altered = nets.altered(changed)
        every += [net(altered) for net in nets.readers + nets.adversaries]
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
        with torch.no_grad():
            templates = nets.matcher((batch.x + 1) / 2)
            if nets.wanted is not None:
                templates = _wanted(nets.wanted, templates)
        matching = matching_loss(nets.matcher((changed + 1) / 2), templates)
        total = total + weights.matching_weight * matching
        found["matching"] = matching
    descend(total, optimizers.generator)
    return found, changed.detach()


def adversary_step(nets, number, batch, changed, optimizers, layout, descend):
    """Teach one adversary what is true of original and changed pictures; return the loss."""
    net = nets.adversaries[number]
    net.train()
    logits = net(nets.altered(torch.cat([batch.x, changed])))
    now = {name: torch.cat([codes, codes]) for name, codes in batch.now.items()}
    loss = attribute_loss(logits, now, layout)
    descend(loss, optimizers.adversaries[number])
    net.eval()
    return {"adversary": loss}


def _wanted(wanted, templates):
    """Return a function of NumPy on templates, scaled to unit length."""
    found = wanted(templates.float().cpu().numpy())
    found = torch.as_tensor(np.asarray(found), dtype=torch.float32, device=templates.device)
    return torch.nn.functional.normalize(found, dim=1)


def train(method, pictures, codes, attributes, others, recipe, folder, progress):
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
    layout, n_planes = label_layout(attributes)
    nets = _nets(method, n_planes)
    average = deepcopy(nets.generator)
    names = ("generator", "discriminator", "labeller")
    parts: dict[str, Any] = {name: getattr(nets, name) for name in names} | {"average": average}
    matcher = others.matcher
    wrapped, made = Nets(None, None, None, wanted=others.wanted), Optimizers(None, None, None)
    for name in names:
        adam = torch.optim.Adam(parts[name].parameters(), recipe.learning_rate, betas=BETAS)
        net, adam = fabric.setup(parts[name], adam)
        setattr(wrapped, name, net)
        setattr(made, name, adam)
        parts[f"{name} optimizer"] = adam
    _add_adversaries(wrapped, made, parts, others.adversaries, fabric, recipe)

    def critic(x):
        # Fabric's wrapper forbids a gradient of a gradient.
        with fabric.autocast():
            return nets.discriminator(x)[0].float()

    wrapped.critic = critic
    if others.adversaries:
        wrapped.altered = make_altered()
    if matcher is not None:
        matcher.to(fabric.device)
        wrapped.matcher = _autocast(matcher, fabric)
    average.to(fabric.device)
    draw = Draws(pictures, codes, {n: k for n, (_, k) in layout.items()}, fabric)
    n_total = recipe.n_rounds * recipe.round_iterations

    def descend(loss, optimizer):
        optimizer.zero_grad()
        fabric.backward(loss)
        _check_gradients(optimizer)
        optimizer.step()

    def step(rows, at):
        number = round(at * n_total)
        batch = draw(len(rows))
        losses = discriminator_step(wrapped, batch, made, layout, descend)
        # A figure of every step: G's are those of its own steps, spread over the others.
        found = dict.fromkeys(GENERATOR_LOSSES[: 4 if matcher is not None else 3], 0.0)
        if number % method.n_critic == 0:
            own, changed = generator_step(wrapped, batch, made, layout, descend, method)
            found = {name: method.n_critic * float(own[name].detach()) for name in found}
            _average(average, nets.generator, number)
            if wrapped.adversaries:
                turn = number // method.n_critic % len(wrapped.adversaries)
                told = adversary_step(wrapped, turn, batch, changed, made, layout, descend)
                losses |= {name: method.n_critic * loss for name, loss in told.items()}
        return {name: float(loss.detach()) for name, loss in losses.items()} | found

    def validate():
        batch = draw.shown(N_SHOWN)
        if folder is not None and recipe.n_samples:
            _write_samples(average, batch, layout, recipe.n_samples, Path(folder) / SAMPLES)
        return _validated(average, wrapped, batch, layout)

    schedule = Schedule(recipe.n_rounds, recipe.batch_size, seed=method.seed)
    chosen = {name: value for name, value in vars(recipe).items() if name != "n_samples"}
    params = {name: v for name, v in method.get_params().items() if name not in USE}
    settings = {"method": params, "recipe": chosen, "rows": len(pictures)}
    settings |= {"adversaries": len(others.adversaries)} if others.adversaries else {}
    history = train_networks(
        step,
        validate,
        parts,
        recipe.round_iterations * recipe.batch_size,
        schedule,
        folder=folder,
        settings=settings,
        progress=progress,
        keep="last",
    )
    return _arrays(average), _arrays(nets.labeller), history


def _add_adversaries(wrapped, made, parts, adversaries, fabric, recipe):
    """Set the networks as they were, frozen, and copies that go on learning."""
    for number, net in enumerate(adversaries):
        frozen = deepcopy(net).to(fabric.device).eval().requires_grad_(False)
        wrapped.readers.append(_autocast(frozen, fabric))
        learning = deepcopy(net).eval().requires_grad_(True)
        adam = torch.optim.Adam(learning.parameters(), recipe.learning_rate)
        parts[f"adversary {number}"] = learning
        learning, adam = fabric.setup(learning, adam)
        wrapped.adversaries.append(learning)
        made.adversaries.append(adam)
        parts[f"adversary {number} optimizer"] = adam


def _autocast(net, fabric):
    def call(x):
        with fabric.autocast():
            return net(x).float()

    return call


GENERATOR_LOSSES = ("G source", "G attribute", "reconstruction", "matching")


def _nets(method, n_planes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(method.seed)
        return Nets(
            Generator(n_planes, method.width, residual=method.residual),
            Discriminator(method.size, n_planes, method.width),
            _labeller(method.size, n_planes),
        )


def _labeller(size, n_planes):
    return Discriminator(size, n_planes, LABELLER_WIDTH, max_width=8 * LABELLER_WIDTH)


def rebuild(method):
    """Return generator, labeller and layout of a fitted PrivacyNetPerturber."""
    layout, n_planes = label_layout(method.attributes_)
    generator = Generator(n_planes, method.width, residual=method.residual)
    labeller = _labeller(method.size_, n_planes)
    for net, arrays in ((generator, method.generator_), (labeller, method.labeller_)):
        net.load_state_dict({name: torch.tensor(values) for name, values in arrays.items()})
        net.eval().requires_grad_(False)
    return generator, labeller, layout


def _check_gradients(optimizer):
    """Stop before a step that would spoil the weights."""
    for group in optimizer.param_groups:
        gradients = [p.grad for p in group["params"] if p.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        if not torch.isfinite(norm):
            raise InputError(f"the training diverged (a gradient is {norm}); lower its rate.")


def _average(average, net, number):
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
def _validated(average, nets, batch, layout):
    """Return what D, or the adversaries, read on pictures of the average, and how like the
    originals they are."""
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
