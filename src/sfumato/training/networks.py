"""Train networks for long: checkpoints, an early stop, a log and curves; knows no method.

A run that was cut off and started again ends with the same weights as one that was not: every
batch draws its rows and its random numbers from the seed, the epoch and the batch's number.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sfumato._constraints import POSITIVE_INT, SEED, Interval, Optional, check_values
from sfumato.errors import InputError
from sfumato.files import atomic_path
from sfumato.outcomes import Progress
from sfumato.training._checkpoints import load_state, save_state
from sfumato.validation import check_choice

CHECKPOINT, BEST, LOG, CURVES = "last.safetensors", "best.safetensors", "log.json", "curves.png"


@dataclass(frozen=True)
class Schedule:
    """How long to train, and what to keep.

    Parameters
    ----------
    n_epochs : int
    batch_size : int
    seed : int, default=0
    patience : int, optional
        Stop after so many epochs without a better validation; default: never.
    seconds_a_checkpoint : float, default=60.0
        Between two checkpoints; one is made after every epoch too.
    """

    constraints: ClassVar = {
        "n_epochs": POSITIVE_INT,
        "batch_size": POSITIVE_INT,
        "seed": SEED,
        "patience": Optional(POSITIVE_INT),
        "seconds_a_checkpoint": Interval(Real, 0, math.inf, closed="both"),
    }

    n_epochs: int
    batch_size: int
    seed: int = 0
    patience: int | None = None
    seconds_a_checkpoint: float = 60.0

    def __post_init__(self):
        check_values(type(self), vars(self))


@dataclass
class Standing:
    """Where a training stands; all of it is in the checkpoint."""

    epoch: int = 0
    batch: int = 0
    sums: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    best: float | None = None
    best_epoch: int | None = None


def train_networks(
    step: Callable[[NDArray[np.int64], float], dict[str, float]],
    validate: Callable[[], dict[str, float]],
    parts: Mapping[str, Any],
    n_samples: int,
    schedule: Schedule,
    *,
    folder: str | Path | None = None,
    settings: dict[str, Any] | None = None,
    progress: Progress | None = None,
    keep: Literal["best", "last"] = "best",
    fabric: Any = None,
) -> list[dict[str, float]]:
    """Call ``step`` on shuffled batches, epoch after epoch; keep the best or the last weights.

    Parameters
    ----------
    step : callable
        ``step(rows, at) -> dict of str to float`` makes one update on the rows (int64 array);
        ``at`` in [0, 1) is the share of the training done, for learning rates.
    validate : callable
        ``validate() -> dict of str to float`` after each epoch; ``score`` is what should be
        high, not needed to keep the last weights.
    parts : dict of str to object
        Networks and optimizers with ``state_dict`` and ``load_state_dict``: what a checkpoint
        holds. Networks end with the weights that ``keep`` says.
    n_samples : int
    schedule : Schedule
    folder : str or Path, optional
        For checkpoints, the log and the curves. If it holds an unfinished run of the same
        settings, that is gone on with.
    settings : dict, optional
        Plain values that decide what is trained; others may not go on with the run.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``, batches.
    keep : {"best", "last"}, default="best"
        The epoch whose weights stay.
    fabric : Fabric, optional
        Of several processes that all call this, see :mod:`sfumato.training.processes`: the first
        alone validates, writes, and has the best weights in the end.

    Returns
    -------
    list of dict
        For each epoch the step's figures, averaged, and those of the validation.

    Raises
    ------
    InputError
        If the folder holds a run of other settings, or the training diverges.
    """
    check_choice(keep, ("best", "last"), "keep")
    settings = {"schedule": vars(schedule) | {"seconds_a_checkpoint": None}} | (settings or {})
    rank = 0 if fabric is None else fabric.global_rank
    run = _Run(parts, folder, json.loads(json.dumps(settings)), rank == 0)
    state = run.load()
    with torch.random.fork_rng():
        while state.epoch < schedule.n_epochs and not _stale(state, schedule.patience):
            _train_epoch(step, state, n_samples, schedule, run, rank, progress)
            found = validate() if rank == 0 else None
            if fabric is not None:
                # Told, not found again: all must agree on when to stop.
                found = fabric.broadcast(found)
            _close_epoch(state, found, n_samples, run, keep)
    if keep == "best" and rank == 0:
        run.restore_best()
    return state.history


def _train_epoch(step, state, n_samples, schedule, run, rank, progress):
    """Call the step on the epoch's remaining batches."""
    n_batches = -(-n_samples // schedule.batch_size)
    total = schedule.n_epochs * n_batches
    order = np.random.default_rng([schedule.seed, state.epoch]).permutation(n_samples)
    saved = time.monotonic()
    for number in range(state.batch, n_batches):
        done = state.epoch * n_batches + number
        # Dropout and augmentation of this batch, whatever came before.
        torch.manual_seed(_seed(schedule.seed, state.epoch, number, *[rank][:rank]))
        rows = order[number * schedule.batch_size :][: schedule.batch_size]
        _add(state.sums, step(rows, done / total), len(rows))
        state.batch = number + 1
        if progress is not None:
            progress(done + 1, total, _text(state.history))
        if time.monotonic() - saved > schedule.seconds_a_checkpoint:
            run.save(state)
            saved = time.monotonic()


def _close_epoch(state, found, n_samples, run, keep):
    means = {name: value / n_samples for name, value in state.sums.items()}
    state.history.append({"epoch": state.epoch, **means, **found})
    state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
    if keep == "best" and (state.best is None or found["score"] > state.best):
        state.best, state.best_epoch = found["score"], state.epoch - 1
        run.keep_best()
    run.save(state)


def _stale(state, patience):
    return (
        patience is not None
        and state.best_epoch is not None
        and state.epoch - 1 - state.best_epoch >= patience
    )


def _add(sums, figures, n_rows):
    for name, value in figures.items():
        if not np.isfinite(value):
            raise InputError(f"the training diverged ({name} is {value}); lower its rate.")
        sums[name] = sums.get(name, 0.0) + value * n_rows


def _seed(*numbers):
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _text(history):
    if not history:
        return ""
    last = history[-1]
    name = "score" if "score" in last else list(last)[-1]
    return f"epoch {last['epoch'] + 1}: {name} {last[name]:.4f}"


class _Run:
    """The folder of a training, or none: then the best weights stay in memory."""

    def __init__(self, parts: Any, folder: Any, settings: Any, writes: bool = True) -> None:
        self.parts, self.settings, self.writes = parts, settings, writes
        self.folder = None if folder is None else Path(folder)
        self.kept: dict = {}
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> Standing:
        """Return where an earlier run stood, and give the parts their weights of then."""
        if self.folder is None or not (self.folder / CHECKPOINT).is_file():
            return Standing()
        found = load_state(self.folder / CHECKPOINT)
        if found["settings"] != self.settings:
            changed = sorted(
                name
                for name in found["settings"] | self.settings
                if found["settings"].get(name) != self.settings.get(name)
            )
            raise InputError(
                f"{self.folder}: holds a training with other settings ({', '.join(changed)}); "
                "repeat it with those, or give another folder."
            )
        for name, part in self.parts.items():
            part.load_state_dict(found["parts"][name])
        return Standing(**found["progress"])

    def save(self, state: Any) -> None:
        """Write the checkpoint, the log and the curves."""
        if self.folder is None or not self.writes:
            return
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        content = {"settings": self.settings, "progress": vars(state), "parts": parts}
        save_state(self.folder / CHECKPOINT, content)
        log = {"settings": self.settings, "history": state.history}
        with atomic_path(self.folder / LOG) as path:
            path.write_text(json.dumps(log, indent=1))
        if state.history and not state.batch:
            with atomic_path(self.folder / CURVES) as path:
                draw_history(state.history).savefig(path, format="png", dpi=120)

    def keep_best(self) -> None:
        """Keep the networks' weights as they are now."""
        if not self.writes:
            return
        best = {name: part.state_dict() for name, part in self._networks().items()}
        if self.folder is not None:
            save_state(self.folder / BEST, best)
        else:
            self.kept = {
                name: {key: value.clone() for key, value in state.items()}
                for name, state in best.items()
            }

    def restore_best(self) -> None:
        """Give the networks their best weights."""
        best = self.kept or load_state(Path(self.folder or "") / BEST)
        for name, part in self._networks().items():
            part.load_state_dict(best[name])

    def _networks(self):
        return {k: part for k, part in self.parts.items() if isinstance(part, torch.nn.Module)}


def draw_history(history: Any) -> Any:
    """Return a figure of every figure over the epochs, each on its own axes."""
    from matplotlib.figure import Figure

    names = [name for name in history[0] if name != "epoch"]
    figure = Figure(figsize=(3 * len(names), 2.6), layout="constrained")
    every = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(every, names, strict=True):
        epochs = [epoch["epoch"] + 1 for epoch in history]
        axes.plot(epochs, [epoch[name] for epoch in history], "o-", ms=3)
        axes.set(title=name, xlabel="epoch")
        axes.grid(alpha=0.3)
    return figure
