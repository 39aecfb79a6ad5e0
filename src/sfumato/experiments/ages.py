"""Rows and networks of the experiments on ages: UTKFace, 21 to 60 years, as in the slides."""

from dataclasses import dataclass

import numpy as np

from sfumato.data.splits import split_identities
from sfumato.metrics.ordinal import age_errors, n_inconsistencies
from sfumato.readers.recipes import Architecture, Recipe

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
# Small enough for two cores: minutes a network.
CPU = Architecture("resnet18", {"width": 0.5}, size=68, crop=64)
TINY = Architecture(
    "iresnet", {"widths": (4, 8, 8, 16), "n_blocks": (1, 1, 1, 1)}, size=68, crop=64
)


@dataclass(frozen=True)
class Ages:
    """Photos of UTKFace and their ages.

    Parameters
    ----------
    images : ndarray of shape (n_images, size, size, 3), uint8
        May be memory-mapped.
    rows : ndarray of int of shape (n_rows,)
        Those of the right age.
    years : ndarray of int of shape (n_images,)
    names : ndarray of str of shape (n_images,)
    """

    images: np.ndarray
    rows: np.ndarray
    years: np.ndarray
    names: np.ndarray

    @classmethod
    def read(cls, context):
        """Decode the photos, or read them as decoded before; quick keeps a sample."""
        crops = context.templates.photos("utkface", CPU.size)
        years = crops.labels[AGE].astype(float).astype(int)
        rows = np.flatnonzero((years >= FIRST) & (years <= LAST))
        rows = np.random.default_rng(0).permutation(rows)[: context.pick(240, len(rows))]
        return cls(crops.images, np.sort(rows), years, crops.labels["image_id"].astype(str))

    def parts(self, seed):
        """Return the numbers of 72 % of the rows to train on, 8 % to pick by, 20 % to test."""
        names = self.names[self.rows]
        test, rest = split_identities(names, 0.2, seed=f"test {seed}")
        validation, _ = split_identities(names, 0.1, seed=f"validation {seed}")
        masks = rest & ~validation, rest & validation, test
        return tuple(self.rows[mask] for mask in masks)


def train_age(context, data, model, seed, *, weighted=False):
    """Return a network trained on the ages, its readings of the test rows and their numbers."""
    from sfumato.readers.pixels import train_pixels

    train, validation, test = data.parts(seed)
    rows = np.concatenate([train, validation])
    recipe = Recipe(
        n_epochs=context.pick(1, 20),
        batch_size=64,
        learning_rate=1e-3,
        weight_decay=0.0,
        seed=seed,
    )
    reader, _ = train_pixels(
        _Some(data.images, rows),
        {AGE: data.years[rows].astype(object)},
        np.arange(len(rows)) >= len(train),
        context.pick(TINY, CPU),
        recipe,
        augmentation="crop",
        age_model=model,
        weighted=weighted,
        progress=lambda done, total, what: context.say(f"{model}: {done}/{total} {what}"),
    )
    return reader, reader.read(_Some(data.images, test))[AGE], test


def judge(data, reading, test):
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


class _Some:
    """Some images of a memory-mapped array, read when asked for."""

    def __init__(self, images, rows):
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, numbers):
        return self.images[self.rows[numbers]]
