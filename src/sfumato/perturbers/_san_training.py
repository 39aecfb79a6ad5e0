"""Training of semi-adversarial networks in torch: the two updates, and what they need."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from sfumato.losses.adversarial import cross_entropy
from sfumato.losses.san import gender_loss, matching_loss, pixel_loss
from sfumato.nets.pixels import luminance
from sfumato.nets.san import AuxiliaryNet, SanAutoencoder
from sfumato.perturbers._san_output import coloured, shown
from sfumato.perturbers._sheets import save_sheet
from sfumato.training.iterations import run
from sfumato.training.loop import make_fabric
from sfumato.training.update import update

CLASSIFIER_RATE = 1e-3
N_SHOWN = 64
SAMPLES = "samples.png"


def pretraining_step(net, batch, optimizer):
    """Teach the autoencoder to give its input back: J_D, averaged over the batch.

    Parameters
    ----------
    net : SanAutoencoder
    batch : tuple of Tensor
        Colour pictures and the prototypes of their own classes.
    optimizer : Optimizer

    Returns
    -------
    dict of str to float
    """
    x, same = batch
    grey = luminance(x)
    (output,) = net(grey, same, same)
    loss = pixel_loss(grey, output).mean()
    update(loss, optimizer)
    return {"pixel": loss.item()}


def san_step(nets, batch, optimizer, weights):
    """Make the update of one batch: J_G + weights * (|X - X'_SM|, J_M); this is the whole game.

    Parameters
    ----------
    nets : tuple of Module
        The autoencoder, and, both frozen, the auxiliary classifier f_G and matcher F_M (or None).
    batch : tuple of Tensor
        Colour pictures X, what the matcher compares with (X, but in a flow the first X), the
        prototypes of the same and of the opposite classes, and the classes y.
    optimizer : Optimizer
        Of the autoencoder.
    weights : tuple of float
        Of the pixel term and of J_M.

    Returns
    -------
    dict of str to float
        The terms, and the share of pictures X'_OP that the classifier reads as 1 - y.
    """
    (net, classifier, matcher), (x, reference, same, opposite, y) = nets, batch
    grey = luminance(x)
    outputs = net(grey, same, same, opposite)
    logits_same, logits_opposite = (classifier(output).float() for output in outputs)
    gender = gender_loss(logits_same, logits_opposite, y).mean()
    pixel = (grey - outputs[0]).abs().mean()
    loss, matching = gender + weights[0] * pixel, torch.zeros(())
    if matcher is not None and weights[1] > 0:
        with torch.no_grad():
            wanted = functional.normalize(matcher(reference).float())
        # What will be published is in colour; X'_OP must match too, not X'_SM alone.
        found = [functional.normalize(matcher(coloured(x, out)).float()) for out in outputs]
        matching = sum(matching_loss(each, wanted).mean() for each in found) / 2
        loss = loss + weights[1] * matching
    update(loss, optimizer)
    flipped = (logits_opposite.argmax(dim=1) != y).float().mean()
    figures = {"gender": gender, "pixel": pixel, "matching": matching, "flipped": flipped}
    return {name: value.item() for name, value in figures.items()}


def fit_pair(san, data, matcher, recipe, *, rows=None, before=None, folder=None, progress=None):
    """Train an auxiliary classifier, then an autoencoder against it.

    Parameters
    ----------
    rows : ndarray of int, optional
        Of :func:`fit_auxiliary`; the others are those of :func:`fit_san`.

    Returns
    -------
    net : SanAutoencoder
    classifier : AuxiliaryNet
    """
    pictures, codes, _, _ = data
    where = {"folder": folder, "progress": progress}
    classifier = fit_auxiliary(
        pictures, codes, recipe, size=san.size, widths=san.classifier_widths, seed=san.seed,
        rows=rows, **where,
    )  # fmt: skip
    return fit_san(san, data, (classifier, matcher), recipe, before=before, **where), classifier


def fit_san(san, data, frozen, recipe, *, before=None, folder=None, progress=None):
    """Train an autoencoder: first J_D alone, then the game.

    Parameters
    ----------
    san : SanPerturber
        Holds the parameters.
    data : tuple
        Pictures, classes (int array), groups (int array) and prototypes, of shape (n_groups, 3,
        3, size, size), whose second axis is female, male, neutral.
    frozen : tuple of Module
        Auxiliary classifier and matcher (or None).
    recipe : Recipe
    before : callable, optional
        ``before(x, y, prototypes) -> Tensor``, what the predecessors in a flow make of X.
    folder, progress
        As for :func:`sfumato.training.networks.train_networks`.

    Returns
    -------
    SanAutoencoder
        On the CPU, in eval mode.
    """
    fabric = make_fabric(recipe.accelerator, precision=recipe.precision)
    net = _placed(seeded(san.seed, SanAutoencoder, san.widths), fabric.device)
    nets = (net, *(_frozen(each, fabric.device) for each in frozen))
    draw = _Draw(data, before, fabric.device)

    def pretrain(n_rows, at, optimizer):
        x, _, same, _, _ = draw(n_rows)
        return pretraining_step(net, (x, same), optimizer)

    def train(n_rows, at, optimizer):
        matching_weight = san.matching_weight if at >= san.matching_from else 0.0
        return san_step(nets, draw(n_rows), optimizer, (san.pixel_weight, matching_weight))

    def show():
        if folder is not None and recipe.n_samples:
            save_sheet(draw.shown(net, min(recipe.n_samples, N_SHOWN)), folder / "san" / SAMPLES)

    folder = None if folder is None else Path(folder)
    settings = {"san": san.get_params(), "images": len(data[1]), "classifier": _size(frozen[0])}
    n_pretraining = round(recipe.n_iterations * san.pretraining)
    for name, step, n, each in (("pretraining", pretrain, n_pretraining, None),
                                ("san", train, recipe.n_iterations, show)):  # fmt: skip
        if n:
            where = (name, folder, progress)
            run(step, net, n, recipe, san.seed, fabric, settings, where, show=each)
    return net.cpu().eval()


class _Draw:
    """Draws batches for :func:`san_step`; its parameters are those of :func:`fit_san`."""

    def __init__(self, data, before, device):
        self.pictures, self.codes, self.groups, prototypes = data
        self.before, self.device = before, device
        self.prototypes = torch.from_numpy(prototypes).to(device)

    def __call__(self, n_rows):
        rows = torch.randint(len(self.codes), (n_rows,)).numpy()
        # The crop's landmarks lie as in its mirror image: the prototype fits both.
        original = mirrored(self.pictures.batch(rows).to(self.device))
        y, own = self._of(rows)
        each = torch.arange(n_rows)
        return self._start(original, y, own), original, own[each, y], own[each, 1 - y], y

    def shown(self, net, n_rows):
        """Return the first pictures, and what shows each class and the neutral one on them."""
        rows = np.arange(min(n_rows, len(self.codes)))
        x = self.pictures.batch(rows).to(self.device)
        y, own = self._of(rows)
        start = self._start(x, y, own)
        each = [shown(net, start, own, y, torch.full_like(y, then)) for then in range(3)]
        return [column.float().cpu().numpy() for column in (x, *each)]

    def _of(self, rows):
        y = torch.from_numpy(self.codes[rows]).to(self.device)
        return y, self.prototypes[self.groups[rows]]

    def _start(self, x, y, own):
        return x if self.before is None else self.before(x, y, own)


def fit_auxiliary(
    pictures, codes, recipe, *, size, widths, seed, rows=None, name="classifier", folder=None,
    progress=None,
):  # fmt: skip
    """Train a classifier on grey pictures.

    Parameters
    ----------
    pictures : Pictures
    codes : ndarray of int of shape (n_images,)
    recipe : Recipe
        Its learning rate is for SANs; this has its own, Adam's usual 1e-3.
    size : int
    widths : sequence of int
    seed : int
    rows : ndarray of int, optional
        Row numbers to draw from; one that comes twice is drawn twice as often.
    name : str, default="classifier"
    folder, progress
        As for :func:`sfumato.training.networks.train_networks`.

    Returns
    -------
    AuxiliaryNet
        On the CPU, in eval mode.
    """
    rows = np.arange(len(codes)) if rows is None else rows
    fabric = make_fabric(recipe.accelerator, precision=recipe.precision)
    net = seeded(seed, AuxiliaryNet, size, int(codes.max()) + 1, widths)
    net = _placed(net, fabric.device)

    def step(n_rows, at, optimizer):
        drawn = rows[torch.randint(len(rows), (n_rows,)).numpy()]
        grey = luminance(mirrored(pictures.batch(drawn).to(fabric.device)))
        y = torch.from_numpy(codes[drawn]).to(fabric.device)
        net.train()
        logits = net(grey).float()
        loss = cross_entropy(logits, y).mean()
        update(loss, optimizer)
        return {"loss": loss.item(), "accuracy": (logits.argmax(1) == y).float().mean().item()}

    settings = {"widths": list(widths), "size": size, "images": len(codes), "rows": len(rows)}
    where = (name, folder, progress)
    run(step, net, recipe.n_iterations, recipe, seed, fabric, settings, where, CLASSIFIER_RATE)
    return net.cpu().eval()


def follow(nets):
    """Return what a flow's SANs make of pictures, for ``before`` of :func:`fit_san`, or None.

    Parameters
    ----------
    nets : list of SanAutoencoder
    """

    def before(x, y, prototypes):
        # One way for a picture through all: transform shows one class on it from first to last.
        then = torch.where(torch.rand(len(x)).to(x.device) < 0.5, y, 1 - y)
        for net in nets:
            x = shown(net.to(x.device), x, prototypes, y, then)
        return x

    return before if nets else None


def seeded(seed, make, *arguments):
    """Return ``make(*arguments)`` with torch's generator seeded, and leave that as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(*arguments)


def mirrored(x):
    """Return the pictures, about half of them mirrored; draws from torch's generator."""
    turned = torch.rand(len(x)) < 0.5
    return torch.where(turned.to(x.device)[:, None, None, None], x.flip(-1), x)


def _frozen(net, device):
    """Return a copy that is not trained; the given network stays as it is."""
    return (
        None if net is None else _placed(copy.deepcopy(net), device).eval().requires_grad_(False)
    )


def _placed(net, device):
    """Move a network; channels last, half again as fast on a CPU."""
    return net.to(device=device, memory_format=torch.channels_last)


def _size(net):
    return sum(value.numel() for value in net.parameters())
