"""Rows and networks of the experiments on ages: UTKFace, 21 to 60 years, as in the slides."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sfumato.data.splits import split_identities
from sfumato.faces.crops import Stack, Subset
from sfumato.metrics.ordinal import age_errors, n_inconsistencies
from sfumato.readers.recipes import Architecture, ReaderRecipe

FIRST, LAST = 21, 60
AGE = "age_years"
#: To each row of the table: the model of the age, and whether levels are weighted.
MODELS = {
    "CE-CNN": ("ce", False),
    "OR-CNN": ("or", False),
    "OR-CNN, weighted": ("or", True),
    "CORAL-CNN": ("coral", False),
    "CORAL-CNN, weighted": ("coral", True),
    "CORN": ("corn", False),
}


@dataclass(frozen=True)
class Training:
    """A network and how it is trained.

    Parameters
    ----------
    architecture : Architecture
    n_epochs, batch_size : int
    learning_rate : float
    """

    architecture: Architecture
    n_epochs: int
    batch_size: int
    learning_rate: float


_LITTLE = {"widths": (4, 8, 8, 16), "n_blocks": (1, 1, 1, 1)}
TINY = Training(Architecture("iresnet", _LITTLE, size=68, crop=64), 1, 64, 1e-3)
# Small enough for two cores: minutes a network.
CPU = Training(Architecture("resnet18", {"width": 0.5}, size=68, crop=64), 12, 64, 1e-3)


def trained_as(backbone: Any) -> Training:
    """Return the papers' protocol: 120 of 128 pixels, Adam at 5e-4, batches of 256."""
    return Training(Architecture(backbone, size=128, crop=120), 200, 256, 5e-4)


@dataclass(frozen=True)
class Ages:
    """Photos of UTKFace and their ages.

    Parameters
    ----------
    images : Stack
    rows : ndarray of int of shape (n_rows,)
        Those of the right age.
    years : ndarray of int of shape (n_images,)
    names : ndarray of str of shape (n_images,)
    """

    images: Stack
    rows: np.ndarray
    years: np.ndarray
    names: np.ndarray

    @classmethod
    def read(cls, context: Any, size: Any) -> Any:
        """Decode the photos, or read them as decoded before; quick keeps a sample."""
        images, labels = context.templates.photos("utkface", size)
        years = labels[AGE].astype(float).astype(int)
        rows = np.flatnonzero((years >= FIRST) & (years <= LAST))
        rows = np.random.default_rng(0).permutation(rows)[: context.pick(240, len(rows))]
        return cls(images, np.sort(rows), years, labels["image_id"].astype(str))

    def parts(self, seed: int) -> Any:
        """Return the numbers of 72 % of the rows to train on, 8 % to pick by, 20 % to test."""
        names = self.names[self.rows]
        test, rest = split_identities(names, 0.2, seed=f"test {seed}")
        validation, _ = split_identities(names, 0.1, seed=f"validation {seed}")
        masks = rest & ~validation, rest & validation, test
        return tuple(self.rows[mask] for mask in masks)


def train_age(
    context: Any, data: Any, training: Any, model: Any, seed: int, *, weighted: bool = False
) -> tuple[Any, ...]:
    """Return what a network trained on the ages reads of the test rows, and their numbers."""
    from sfumato.readers.pixels import train_pixels

    train, validation, test = data.parts(seed)
    rows = np.concatenate([train, validation])
    recipe = ReaderRecipe(
        n_epochs=training.n_epochs,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        weight_decay=0.0,
        precision="auto",
        seed=seed,
    )
    reader, _ = train_pixels(
        Subset(data.images, rows),
        {AGE: data.years[rows].astype(object)},
        np.arange(len(rows)) >= len(train),
        training.architecture,
        recipe,
        augmentation="crop",
        age_model=model,
        weighted=weighted,
        progress=lambda done, total, what: context.say(f"{model}: {done}/{total} {what}"),
    )
    return reader.read(Subset(data.images, test))[AGE], test


def judge(data: Any, reading: Any, test: Any) -> dict[str, Any]:
    """Return errors and inconsistencies by column."""
    errors = age_errors(data.years[test], reading.label)
    wrong = n_inconsistencies(reading.levels)
    return {
        "MAE": errors.mae,
        "RMSE": errors.rmse,
        "CS(5)": errors.within[5],
        "faces with an inconsistency": float((wrong > 0).mean()),
        "inconsistencies a face": float(wrong.mean()),
    }
