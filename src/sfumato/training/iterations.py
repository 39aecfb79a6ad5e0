"""Train a network for a number of batches, to the end; knows no method."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from sfumato.outcomes import Progress
from sfumato.training.networks import Schedule, train_networks


@dataclass(frozen=True)
class Record:
    """Where a training is kept, and who is notified of it.

    Parameters
    ----------
    name : str
        Of the folder, and before what is told.
    folder : str or Path, optional
        Holds a folder of the name, with checkpoints, the log and curves.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.
    """

    name: str
    folder: str | Path | None = None
    progress: Progress | None = None

    def report(self, n_done: int, n_total: int | None, what: str) -> None:
        """Tell of a batch."""
        if self.progress is not None:
            self.progress(n_done, n_total, f"{self.name}, {what}" if what else self.name)


def run(
    step: Callable[..., Any],
    net: Any,
    n_iterations: int,
    recipe: Any,
    record: Record,
    *,
    fabric: Any,
    seed: int,
    settings: dict[str, Any],
    learning_rate: float | None = None,
    show: Callable[..., Any] | None = None,
) -> None:
    """Call ``step(n_rows, at, optimizer)`` for so many batches; an interrupted run goes on.

    Parameters
    ----------
    step : callable
    net : Module
    n_iterations : int
    recipe : PerturberRecipe
    record : Record
    fabric : Fabric
        Its autocast is on during steps.
    seed : int
    settings : dict
        Others may not go on with the run.
    learning_rate : float, optional
        Of Adam; default: the recipe's.
    show : callable, optional
        Called after each round.
    """
    optimizer = torch.optim.Adam(net.parameters(), learning_rate or recipe.learning_rate)
    n_in_round = -(-n_iterations // recipe.n_rounds)

    def one_step(rows, at):
        with fabric.autocast():
            return step(len(rows), at, optimizer)

    def close_round():
        if show is not None:
            show()
        return {}

    n_rounds = -(-n_iterations // n_in_round)
    train_networks(
        one_step, close_round, {"net": net, "optimizer": optimizer},
        n_in_round * recipe.batch_size, Schedule(n_rounds, recipe.batch_size, seed=seed),
        folder=None if record.folder is None else Path(record.folder) / record.name,
        settings=settings | {"recipe": asdict(recipe)},
        progress=record.report, keep="last",
    )  # fmt: skip
