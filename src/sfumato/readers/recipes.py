"""What a reader is made of, and how it is trained: plain values, without torch."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from sfumato._constraints import (
    NOT_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    SEED,
    SHARE,
    Interval,
    Optional,
    check_values,
)
from sfumato.errors import InputError
from sfumato.training.loop import ACCELERATOR, PRECISION

MIN_SIDE = 64


@dataclass(frozen=True)
class Architecture:
    """What a network on pixels is made of.

    Parameters
    ----------
    backbone : str, default="iresnet"
        Of :data:`sfumato.nets.backbones.BACKBONES`.
    options : dict, optional
        Of the backbone.
    size : int, default=64
        Images are scaled to so many pixels a side; at least 64.
    crop : int, optional
        Then cut to so many: at random in training (``augmentation="crop"``), in the middle else.
    n_channels : {3, 1}, default=3
        1: grey.
    """

    backbone: str = "iresnet"
    options: dict | None = None
    size: int = MIN_SIDE
    crop: int | None = None
    n_channels: int = 3

    def __post_init__(self):
        if min(self.size, self.crop or self.size) < MIN_SIDE or (self.crop or 0) > self.size:
            raise InputError(
                f"size and crop must be at least {MIN_SIDE} pixels, and crop at most size; "
                f"got {self.size} and {self.crop}."
            )


@dataclass(frozen=True)
class ReaderRecipe:
    """How a reader is trained.

    Parameters
    ----------
    n_epochs, batch_size : int
    learning_rate : float
        Of AdamW, its highest: it rises over the first 5 % and falls along half a cosine.
    weight_decay : float, default=0.01
    balance : float in [0, 1], default=0.5
        Classes weigh ``frequency ** -balance``; 0 leaves rare classes rare, 1 makes all alike.
    label_smoothing : float, default=0.0
        Of classes.
    patience : int, optional
        Stop after so many epochs that are no better on the validation rows.
    precision : {"auto", "32-true", "bf16-mixed"}, default="32-true"
        Of Lightning Fabric; "auto": "bf16-mixed" where the machine is faster so.
    accelerator : {"auto", "cpu", "cuda", "gpu", "mps"}, default="auto"
        Of Lightning Fabric.
    seed : int, default=0
    devices : int, default=1
        Processes, one a GPU, or on the CPU. Each takes its part of every batch, and the loss is
        that of the whole batch: without augmentation, dropout and batch norm a training is the
        same with any number of them, but for rounding. Else it is another of the same kind:
        each draws its own random numbers, and on the CPU batch norm sees a process's own part.
    """

    constraints: ClassVar = {
        "n_epochs": POSITIVE_INT,
        "batch_size": POSITIVE_INT,
        "learning_rate": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
        "balance": SHARE,
        "label_smoothing": Interval(Real, 0, 1, closed="left"),
        "patience": Optional(POSITIVE_INT),
        "precision": PRECISION,
        "accelerator": ACCELERATOR,
        "seed": SEED,
        "devices": POSITIVE_INT,
    }

    n_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    balance: float = 0.5
    label_smoothing: float = 0.0
    patience: int | None = None
    precision: str = "32-true"
    accelerator: str = "auto"
    seed: int = 0
    devices: int = 1

    def __post_init__(self):
        check_values(type(self), vars(self))

    def settings(self) -> Any:
        """Return what decides what is trained, as checkpoints hold it."""
        found = dict(vars(self))
        if self.devices == 1:
            # Checkpoints of before there was a choice.
            del found["devices"]
        return found
