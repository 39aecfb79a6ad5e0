"""Training of semi-adversarial networks: the auxiliary classifier, then the autoencoder."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sfumato.losses.adversarial import cross_entropy
from sfumato.nets.pixels import luminance
from sfumato.nets.san import AuxiliaryNet, SanAutoencoder
from sfumato.outcomes import Progress
from sfumato.perturbers._san_game import SanBatch, SanNets, SanWeights, pretraining_step, san_step
from sfumato.perturbers._sheets import save_sheet
from sfumato.perturbers.san_output import shown
from sfumato.training.iterations import Record, run
from sfumato.training.loop import make_fabric
from sfumato.training.update import update

CLASSIFIER_RATE = 1e-3
N_SHOWN = 64
SAMPLES = "samples.png"


def fit_pair(
    san: Any,
    faces: Any,
    matcher: Any,
    recipe: Any,
    *,
    rows: NDArray[Any] | None = None,
    before: Any = None,
    folder: Any = None,
    progress: Progress | None = None,
) -> tuple[SanAutoencoder, AuxiliaryNet]:
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
    where = {"folder": folder, "progress": progress}
    classifier = fit_auxiliary(
        faces.pictures, faces.codes, recipe, widths=san.classifier_widths, seed=san.seed,
        rows=rows, **where,
    )  # fmt: skip
    return fit_san(san, faces, classifier, matcher, recipe, before=before, **where), classifier


def fit_san(
    san: Any,
    faces: Any,
    classifier: Any,
    matcher: Any,
    recipe: Any,
    *,
    before: Callable[..., Any] | None = None,
    folder: Any = None,
    progress: Progress | None = None,
) -> SanAutoencoder:
    """Train an autoencoder: first J_D alone, then the game.

    Parameters
    ----------
    san : SanPerturber
        Holds the parameters.
    faces : SanFaces
    classifier : Module
        The auxiliary classifier; it is not trained here.
    matcher : Module or None
    recipe : PerturberRecipe
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
    net = _place(seeded(san.seed, SanAutoencoder, san.widths), fabric.device)
    nets = SanNets(net, *(_freeze(each, fabric.device) for each in (classifier, matcher)))
    draw = _Draw(faces, before, fabric.device)

    def pretrain(n_rows, at, optimizer):
        return pretraining_step(net, draw(n_rows), optimizer)

    def play(n_rows, at, optimizer):
        matching = san.matching_weight if at >= san.matching_from else 0.0
        return san_step(nets, draw(n_rows), optimizer, SanWeights(san.pixel_weight, matching))

    def show():
        if folder is not None and recipe.n_samples:
            n_shown = min(recipe.n_samples, N_SHOWN)
            save_sheet(draw.shown(net, n_shown), Path(folder) / "san" / SAMPLES)

    settings = {"san": san.get_params(), "images": len(faces.codes)}
    settings["classifier"] = sum(value.numel() for value in classifier.parameters())
    options = {"fabric": fabric, "seed": san.seed, "settings": settings}
    n_pretraining = round(recipe.n_iterations * san.pretraining)
    if n_pretraining:
        record = Record("pretraining", folder, progress)
        run(pretrain, net, n_pretraining, recipe, record, **options)
    record = Record("san", folder, progress)
    run(play, net, recipe.n_iterations, recipe, record, show=show, **options)
    return net.cpu().eval()


class _Draw:
    """Draws batches for :func:`san_step`; its parameters are those of :func:`fit_san`."""

    def __init__(self, faces: Any, before: Any, device: Any) -> None:
        self.faces, self.before, self.device = faces, before, device
        self.prototypes = torch.from_numpy(faces.prototypes).to(device)

    def __call__(self, n_rows: Any) -> SanBatch:
        rows = torch.randint(len(self.faces.codes), (n_rows,)).numpy()
        # The crop's landmarks lie as in its mirror image: the prototype fits both.
        original = mirrored(self.faces.pictures.batch(rows).to(self.device))
        y, own = self._of(rows)
        each = torch.arange(n_rows)
        x = self._start(original, y, own)
        return SanBatch(x, original, same=own[each, y], opposite=own[each, 1 - y], y=y)

    def shown(self, net: Any, n_rows: Any) -> list[Any]:
        """Return the first pictures, and what shows each class and the neutral one on them."""
        rows = np.arange(min(n_rows, len(self.faces.codes)))
        x = self.faces.pictures.batch(rows).to(self.device)
        y, own = self._of(rows)
        start = self._start(x, y, own)
        each = [shown(net, start, own, y, torch.full_like(y, then)) for then in range(3)]
        return [column.float().cpu().numpy() for column in (x, *each)]

    def _of(self, rows):
        y = torch.from_numpy(self.faces.codes[rows]).to(self.device)
        return y, self.prototypes[self.faces.groups[rows]]

    def _start(self, x, y, own):
        return x if self.before is None else self.before(x, y, own)


def fit_auxiliary(
    pictures: Any,
    codes: NDArray[Any],
    recipe: Any,
    *,
    widths: Sequence[int],
    seed: int,
    rows: NDArray[Any] | None = None,
    name: str = "classifier",
    folder: Any = None,
    progress: Progress | None = None,
) -> AuxiliaryNet:
    """Train a classifier on grey pictures.

    Parameters
    ----------
    pictures : Pictures
    codes : ndarray of int of shape (n_images,)
    recipe : PerturberRecipe
        Its learning rate is for SANs; this has its own, Adam's usual 1e-3.
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
    net = seeded(seed, AuxiliaryNet, pictures.size, int(codes.max()) + 1, widths)
    net = _place(net, fabric.device)

    def step(n_rows, at, optimizer):
        drawn = rows[torch.randint(len(rows), (n_rows,)).numpy()]
        grey = luminance(mirrored(pictures.batch(drawn).to(fabric.device)))
        y = torch.from_numpy(codes[drawn]).to(fabric.device)
        net.train()
        logits = net(grey).float()
        loss = cross_entropy(logits, y).mean()
        update(loss, optimizer)
        return {"loss": loss.item(), "accuracy": (logits.argmax(1) == y).float().mean().item()}

    settings = {"widths": list(widths), "size": pictures.size}
    settings |= {"images": len(codes), "rows": len(rows)}
    run(
        step, net, recipe.n_iterations, recipe, Record(name, folder, progress),
        fabric=fabric, seed=seed, settings=settings, learning_rate=CLASSIFIER_RATE,
    )  # fmt: skip
    return net.cpu().eval()


def follow(nets: list[SanAutoencoder]) -> Any:
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


def seeded(seed: int, make: Any, *arguments: Any) -> Any:
    """Return ``make(*arguments)`` with torch's generator seeded, and leave that as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(*arguments)


def mirrored(x: Any) -> Any:
    """Return the pictures, about half of them mirrored; draws from torch's generator."""
    turned = torch.rand(len(x)) < 0.5
    return torch.where(turned.to(x.device)[:, None, None, None], x.flip(-1), x)


def _freeze(net, device):
    """Return a copy that is not trained; the given network stays as it is."""
    return None if net is None else _place(copy.deepcopy(net), device).eval().requires_grad_(False)


def _place(net, device):
    """Move a network; channels last, half again as fast on a CPU."""
    return net.to(device=device, memory_format=torch.channels_last)
