"""Train a network that reads several attributes at once, on templates or on pixels."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sfumato.errors import InputError
from sfumato.losses.ordinal import ce_loss, coral_loss, corn_loss, or_loss
from sfumato.metrics.calibration import best_temperature
from sfumato.nets.multitask import MultiTaskNet
from sfumato.outcomes import Progress
from sfumato.readers._ranks import Ranks
from sfumato.readers._step import Guided, Step
from sfumato.readers.tasks import MISSING, ClassTask, reading_of
from sfumato.training.loop import make_fabric
from sfumato.training.networks import Schedule, train_networks
from sfumato.training.processes import n_processes, prepare, train_on

LOSSES: dict[str, Callable] = {
    "ce": ce_loss,
    "or": or_loss,
    "coral": coral_loss,
    "corn": corn_loss,
}
EVALUATION_BATCH = 256
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


def outputs(tasks: Any) -> dict[str, Any]:
    """Return kind and number of outputs of each task, for a MultiTaskNet."""
    return {
        task.name: ("ce", len(task.classes))
        if isinstance(task, ClassTask)
        else (task.model, len(task.ages_years))
        for task in tasks
    }


def train_reader(
    trunk: Any,
    tasks: list[Any],
    train: Rows,
    validation: Rows,
    recipe: Any,
    *,
    folder: Any = None,
    progress: Progress | None = None,
) -> Any:
    """Train a trunk and a last layer for each task.

    Parameters
    ----------
    trunk : Module
        With ``dimension``.
    tasks : list of ClassTask or AgeTask
    train, validation : Rows
        The epoch whose mean score on the validation rows is best is kept: of classes the
        balanced accuracy, of an age 1 less a tenth of the mean absolute error in years.
    recipe : ReaderRecipe
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
    fabric = make_fabric(recipe.accelerator, precision=recipe.precision, devices=recipe.devices)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        net = MultiTaskNet(trunk, outputs(tasks))
        guided = Guided(net, train.guide)
    for task in tasks:
        if not isinstance(task, ClassTask):
            start_at_frequencies(net.heads[task.name], task, train.codes[task.name])
    history = train_on(
        fabric, _train, guided, tasks, train, validation, recipe, folder, progress=progress
    )
    found = logits_of(fabric.to_device(net), validation, fabric)
    calibrated = [_calibrated(task, found, validation.codes) for task in tasks]
    return net.cpu().eval(), calibrated, history


def _train(fabric, guided, tasks, train, validation, recipe, folder, progress):
    """Train a guided network, in this process or in all of a training's; return the history."""
    optimizer = torch.optim.AdamW(
        guided.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    wrapped, optimizer = prepare(fabric, guided, optimizer)
    losses = {task.name: _loss(task, train.codes[task.name], recipe, fabric) for task in tasks}
    step = Step(fabric, guided, wrapped, optimizer, train, losses, recipe.learning_rate)

    def validate():
        return _scores(tasks, logits_of(guided.net, validation, fabric), validation.codes)

    schedule = Schedule(
        recipe.n_epochs, recipe.batch_size, seed=recipe.seed, patience=recipe.patience
    )
    settings = {"recipe": recipe.settings(), "tasks": outputs(tasks), "rows": len(train)}
    return train_networks(
        step, validate, {"net": guided, "optimizer": optimizer}, len(train), schedule,
        folder=folder, settings=settings, progress=progress,
        fabric=fabric if n_processes(fabric) > 1 else None,
    )  # fmt: skip


def start_at_frequencies(layer: Any, task: Any, codes: NDArray[Any]) -> None:
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


def logits_of(net: Any, rows: Any, fabric: Any = None) -> dict[str, Any]:
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


def task_weight(codes: NDArray[Any], batch_size: int) -> float:
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
