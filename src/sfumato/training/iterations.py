"""Train a network for a number of batches, to the end; knows no method."""

from dataclasses import asdict
from pathlib import Path

import torch

from sfumato.training.networks import Schedule, train_networks


def run(
    step, net, n_iterations, recipe, seed, fabric, settings, where, learning_rate=None,
    show=None,
):  # fmt: skip
    """Call ``step(n_rows, at, optimizer)`` for so many batches; an interrupted run goes on.

    Parameters
    ----------
    step : callable
    net : Module
    n_iterations : int
    recipe : Recipe
    seed : int
    fabric : Fabric
        Its autocast is on during steps.
    settings : dict
        Others may not go on with the run.
    where : tuple
        Name, folder or None, and progress or None.
    learning_rate : float, optional
        Of Adam; default: the recipe's.
    show : callable, optional
        Called after each round.
    """
    name, folder, progress = where
    optimizer = torch.optim.Adam(net.parameters(), learning_rate or recipe.learning_rate)
    n_in_round = -(-n_iterations // recipe.n_rounds)

    def one_step(rows, at):
        with fabric.autocast():
            return step(len(rows), at, optimizer)

    def report(n_done, n_total, what):
        progress(n_done, n_total, f"{name}, {what}" if what else name)

    def close_round():
        if show is not None:
            show()
        return {}

    n_rounds = -(-n_iterations // n_in_round)
    train_networks(
        one_step, close_round, {"net": net, "optimizer": optimizer},
        n_in_round * recipe.batch_size, Schedule(n_rounds, recipe.batch_size, seed=seed),
        folder=None if folder is None else Path(folder) / name,
        settings=settings | {"recipe": asdict(recipe)},
        progress=None if progress is None else report, keep="last",
    )  # fmt: skip
