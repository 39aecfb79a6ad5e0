"""Train a network that reads several attributes at once, on templates or on pixels."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sfumato.errors import InputError
from sfumato.losses.ordinal import ce_loss, coral_loss, corn_loss, or_loss
from sfumato.metrics.calibration import best_temperature
from sfumato.nets.multitask import MultiTaskNet
from sfumato.readers.ranks import Ranks
from sfumato.readers.tasks import MISSING, ClassTask, reading_of
from sfumato.training.loop import make_fabric
from sfumato.training.networks import Schedule, train_networks

LOSSES: dict[str, Callable] = {
    "ce": ce_loss,
    "or": or_loss,
    "coral": coral_loss,
    "corn": corn_loss,
}
EVALUATION_BATCH = 256
#: Of the mean squared error of a guide whose columns have unit variance.
GUIDE_WEIGHT = 3.0
#: An attribute with fewer labelled rows in a batch counts less: its gradient is mostly noise.
ENOUGH_ROWS = 32


@dataclass(frozen=True)
class Rows:
    """Inputs and codes of some rows.

    Parameters
    ----------
    inputs : callable
        ``inputs(rows, train) -> Tensor`` of row numbers (int64 array) on the CPU.
    codes : dict of str to ndarray of shape (n_samples,)
        Classes or ranks of each attribute, -1 where there is none.
    guide : ndarray of shape (n_samples, n_columns), optional
        What the features should tell besides, NaN in rows where it is not known.
    """

    inputs: Callable
    codes: dict
    guide: np.ndarray | None = None

    def __len__(self):
        return len(next(iter(self.codes.values())))


def outputs(tasks):
    """Return kind and number of outputs of each task, for a MultiTaskNet."""
    return {
        task.name: ("ce", len(task.classes))
        if isinstance(task, ClassTask)
        else (task.model, len(task.ages_years))
        for task in tasks
    }


def train_reader(trunk, tasks, train, validation, recipe, *, folder=None, progress=None):
    """Train a trunk and a last layer for each task.

    Parameters
    ----------
    trunk : Module
        With ``dimension``.
    tasks : list of ClassTask or AgeTask
    train, validation : Rows
        The epoch whose mean score on the validation rows is best is kept: of classes the
        balanced accuracy, of an age 1 less a tenth of the mean absolute error in years.
    recipe : Recipe
    folder, progress
        As for :func:`sfumato.training.networks.train_networks`.

    Returns
    -------
    net : MultiTaskNet
        On the CPU, in eval mode.
    tasks : list of ClassTask or AgeTask
        With temperatures fitted on the validation rows.
    history : list of dict
    """
    fabric = make_fabric(recipe.accelerator, precision=recipe.precision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        net = MultiTaskNet(trunk, outputs(tasks))
        guided = _Guided(net, train.guide)
    for task in tasks:
        if not isinstance(task, ClassTask):
            start_at_frequencies(net.heads[task.name], task, train.codes[task.name])
    optimizer = torch.optim.AdamW(
        guided.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    wrapped, optimizer = fabric.setup(guided, optimizer)
    losses = {task.name: _loss(task, train.codes[task.name], recipe, fabric) for task in tasks}
    targets = {name: torch.from_numpy(codes) for name, codes in train.codes.items()}

    def step(rows, at):
        wrapped.train()
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate(at)
        logits, told = wrapped(fabric.to_device(train.inputs(rows, True)))
        found = {}
        for name, loss in losses.items():
            codes = fabric.to_device(targets[name][torch.from_numpy(rows)])
            known = codes != MISSING
            if known.any():
                found[name] = loss(logits[name][known], codes[known])
        if told is not None:
            found[None] = GUIDE_WEIGHT * guided.error(told, rows)
        if not found:
            return {"loss": 0.0}
        total = sum(found.values())
        optimizer.zero_grad()
        fabric.backward(total)
        optimizer.step()
        return {"loss": float(total.detach())}

    def validate():
        return _scores(tasks, logits_of(net, validation, fabric), validation.codes)

    schedule = Schedule(
        recipe.n_epochs, recipe.batch_size, seed=recipe.seed, patience=recipe.patience
    )
    settings = {"recipe": vars(recipe), "tasks": outputs(tasks), "rows": len(train)}
    parts = {"net": guided, "optimizer": optimizer}
    history = train_networks(
        step, validate, parts, len(train), schedule,
        folder=folder, settings=settings, progress=progress,
    )  # fmt: skip
    found = logits_of(net, validation, fabric)
    calibrated = [_calibrated(task, found, validation.codes) for task in tasks]
    return net.cpu().eval(), calibrated, history


class _Guided(nn.Module):
    """A network that also tells a guide in training, by a linear layer that is not kept."""

    def __init__(self, net, guide):
        super().__init__()
        self.net, self.layer = net, None
        if guide is not None:
            deviation = np.nanstd(guide, axis=0)
            scaled = (guide - np.nanmean(guide, axis=0)) / np.where(deviation > 0, deviation, 1)
            self.layer = nn.Linear(net.trunk.dimension, guide.shape[1])
            # Not a buffer: it is not saved.
            self._guide = [torch.from_numpy(scaled.astype(np.float32))]

    def forward(self, x):
        features = self.net.trunk(x)
        return self.net.read(features), None if self.layer is None else self.layer(features)

    def error(self, told, rows):
        """Return the mean squared error over the rows whose guide is known."""
        wanted = self._guide[0][torch.from_numpy(rows)].to(told.device)
        known = ~wanted.isnan().any(dim=1)
        return functional.mse_loss(told[known], wanted[known]) if known.any() else told.sum() * 0


def start_at_frequencies(layer, task, codes):
    """Set an age layer's biases so that it starts by telling how frequent the ages are.

    With some hundred levels the biases would otherwise be on their way for most of a training.

    Parameters
    ----------
    layer : Module
        Of the task's model (:mod:`sfumato.nets.ordinal`).
    task : AgeTask
    codes : ndarray of int of shape (n_samples,)
        Ranks, -1 where there is none.
    """
    counts = np.bincount(codes[codes != MISSING], minlength=len(task.ages_years)) + 0.5
    at_least = counts[::-1].cumsum()[::-1]
    below = at_least[0] - at_least[1:]
    if task.model == "ce":
        bias = np.log(counts / counts.sum())
    elif task.model == "corn":
        bias = np.log(at_least[1:] / counts[:-1])
    else:
        bias = np.log(at_least[1:] / below)
    if task.model == "or":
        bias = np.stack([-bias / 2, bias / 2], axis=1).ravel()
    with torch.no_grad():
        layer.bias.copy_(torch.from_numpy(bias))


def rate(at):
    """Return the factor of the learning rate at a share of the training done."""
    warm = 0.05
    return (at + 1e-3) / warm if at < warm else 0.5 + 0.5 * math.cos(math.pi * at)


def logits_of(net, rows, fabric=None):
    """Return the logits of all rows by task, float32 arrays; the net is put into eval mode."""
    net.eval()
    parts: dict = {}
    for start in range(0, len(rows), EVALUATION_BATCH):
        numbers = np.arange(start, min(start + EVALUATION_BATCH, len(rows)))
        x = rows.inputs(numbers, False)
        with torch.no_grad(), nullcontext() if fabric is None else fabric.autocast():
            found = net(x if fabric is None else fabric.to_device(x))
        for name, logits in found.items():
            parts.setdefault(name, []).append(logits.float().cpu().numpy())
    return {name: np.concatenate(logits) for name, logits in parts.items()}


def task_weight(codes, batch_size):
    """Return how much an attribute's loss counts: less where a batch has few labels of it.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Of the training rows, -1 where there is no label.
    batch_size : int

    Returns
    -------
    float in [0, 1]
        The expected number of labels in a batch over :data:`ENOUGH_ROWS`, at most 1.
    """
    return min(1.0, float((codes != MISSING).mean()) * batch_size / ENOUGH_ROWS)


def _loss(task, codes, recipe, fabric):
    """Return ``loss(logits, codes)`` of a task, weighted as the training rows want it."""
    known = codes[codes != MISSING]
    if not len(known):
        raise InputError(f"{task.name} has no label in the training rows.")
    part = task_weight(codes, recipe.batch_size)
    if isinstance(task, ClassTask):
        counts = np.bincount(known, minlength=len(task.classes)).clip(min=1)
        weights = (counts / counts.sum()) ** -recipe.balance
        weights = weights / (weights * counts / counts.sum()).sum()
        weights = fabric.to_device(torch.from_numpy(weights).float())
        smoothing = recipe.label_smoothing
        return lambda logits, y: (
            part * functional.cross_entropy(logits, y, weights, label_smoothing=smoothing)
        )
    importance = None
    if task.weighted:
        ranks = Ranks(task.ages_years)
        importance = fabric.to_device(torch.from_numpy(ranks.importance(known)))
    loss, n_ranks = LOSSES[task.model], len(task.ages_years)
    # OR-CNN's and CORAL's are sums over the levels; brought to the size of a cross-entropy.
    factor = math.log(n_ranks) / (n_ranks - 1) if task.model in ("or", "coral") else 1.0
    return lambda logits, y: part * factor * loss(logits, y, importance)


def _scores(tasks, logits, codes):
    """Return each task's validation score, and their mean as ``score``."""
    found = {}
    for task in tasks:
        y = codes[task.name]
        known = y != MISSING
        said = reading_of(task, logits[task.name][known])
        if isinstance(task, ClassTask):
            right = said.label == np.array(task.classes)[y[known]]
            classes = np.unique(y[known])
            found[task.name] = np.mean([right[y[known] == c].mean() for c in classes])
        else:
            off = np.abs(said.label - np.array(task.ages_years)[y[known]]).mean()
            found[task.name] = 1 - off / 10
    return {**{k: float(v) for k, v in found.items()}, "score": float(np.mean([*found.values()]))}


def _calibrated(task, logits, codes):
    known = codes[task.name] != MISSING
    z, y = logits[task.name][known].astype(float), codes[task.name][known]
    if isinstance(task, ClassTask):
        return replace(task, temperature=best_temperature(z, y))
    if task.model == "corn":
        return task

    def log_probabilities(z):
        return np.log(reading_of(task, z).probabilities.clip(min=1e-9))

    return replace(task, temperature=best_temperature(z, y, log_probabilities))
