"""Training of a reader on templates in torch."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sfumato.errors import InputError
from sfumato.nets.multitask import TemplateTrunk
from sfumato.outcomes import Progress
from sfumato.readers._training import Rows, train_reader
from sfumato.readers.recipes import ReaderRecipe


def train_templates(
    reader: Any,
    X: NDArray[np.float32],
    tasks: list[Any],
    labels: dict[str, ArrayLike],
    validation: NDArray[np.bool_],
    progress: Progress | None = None,
) -> tuple[Any, ...]:
    """Return the trained network as arrays, the calibrated tasks and the history.

    Parameters
    ----------
    reader : TemplateReader
        Holds the parameters.
    X : ndarray of float32 of shape (n_samples, n_features)
    tasks : list of ClassTask or AgeTask
    labels : dict of str to array-like of shape (n_samples,)
    validation : ndarray of bool of shape (n_samples,)
    """
    if validation.all() or not validation.any():
        raise InputError("validation must hold some rows and leave others.")
    rows = torch.from_numpy(np.ascontiguousarray(X))
    codes = {task.name: task.codes(labels[task.name]) for task in tasks}

    def part(mask):
        own = rows[torch.from_numpy(mask)]
        return Rows(
            lambda numbers, train: own[torch.from_numpy(numbers)],
            {name: values[mask] for name, values in codes.items()},
        )

    recipe = ReaderRecipe(
        reader.n_epochs, reader.batch_size, reader.learning_rate,
        balance=reader.balance, seed=reader.seed,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(reader.seed)
        trunk = TemplateTrunk(X.shape[1], reader.n_units, reader.n_layers, dropout=reader.dropout)
    trunk.standardise(rows[torch.from_numpy(~validation)])
    net, tasks, history = train_reader(
        trunk, tasks, part(~validation), part(validation), recipe, progress=progress
    )
    return _arrays(net), tasks, history


def _arrays(net):
    found = {"shift": net.trunk.shift, "scale": net.trunk.scale}
    dense = [layer for layer in net.trunk.layers if isinstance(layer, torch.nn.Linear)]
    for number, layer in enumerate(dense):
        found |= {f"weight_{number}": layer.weight, f"bias_{number}": layer.bias}
    for name, head in net.heads.items():
        # CORAL's layer has its one weight vector in a layer of its own.
        weight = head.weight if isinstance(head.weight, torch.Tensor) else head.weight.weight
        found |= {f"{name} weight": weight, f"{name} bias": head.bias}
    return {name: value.detach().numpy().copy() for name, value in found.items()}
