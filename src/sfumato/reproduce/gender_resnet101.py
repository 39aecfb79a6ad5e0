"""Gender off pixels, CelebA: the slides' ResNet-101 [1]_.

References
----------
.. [1] Raschka, "Convolutional Neural Networks for Predicting and Hiding Personal Traits from
   Face Images", International Summer School on Deep Learning, Gdansk 2019, slides.
"""

import functools
from typing import Any

import numpy as np

from sfumato.faces.crops import Subset
from sfumato.readers.recipes import Architecture, ReaderRecipe
from sfumato.reproduce._published import published
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.ages import Training
from sfumato.reproduce.experiment import Experiment

SECTION, COLUMNS = "CelebA, test people", ("accuracy", "women", "men")
_LITTLE = {"widths": (4, 8, 8, 16), "n_blocks": (1, 1, 1, 1)}
TRAININGS = {
    "quick": ("a tiny network", Training(Architecture("iresnet", _LITTLE), 1, 64, 1e-3)),
    "full": (
        "ResNet-18, half width",
        Training(Architecture("resnet18", {"width": 0.5}), 6, 128, 2e-3),
    ),
    "gpu": ("ResNet-101", Training(Architecture("resnet101", size=128), 10, 128, 1e-3)),
}


def run(context: Any) -> Findings:
    """Measure the figure; see :class:`sfumato.reproduce.experiment.Experiment`."""
    name, training = TRAININGS[context.preset]
    images, labels = context.templates.photos("celeba", training.architecture.size)
    parts = _parts(labels, context.pick(240, None))

    def measure(seed):
        cell = functools.partial(_measure, context, images, labels, parts, training, seed)
        found = context.once(f"{name}, seed {seed}", cell)
        return {(SECTION, name, column): value for (column,), value in found.items()}

    told = published("gender-resnet101")[SECTION, "ResNet-101", "accuracy"]
    rows = rows_of(context.over_seeds(measure), {(SECTION, name, "accuracy"): told})
    train, validation, test = (len(part) for part in parts)
    notes = [
        f"CelebA's official partitions, of which {train:,} photos to train, {validation:,} to "
        f"pick the epoch by, {test:,} to test; whole aligned photos at "
        f"{training.architecture.size} pixels, mirrored, {training.n_epochs} epochs of batches "
        f"of {training.batch_size} at {training.learning_rate:g}, classes not weighted.",
        "The slides' figure is of ResNet-101 after ten epochs of 1,272 batches; they print no "
        "size of the photos.",
    ]
    return Findings(rows, notes)


def _parts(labels, n_rows):
    """Return the numbers of the photos to train on, to pick by and to test."""
    partition = labels["partition"].astype(str)
    found = [np.flatnonzero(partition == name) for name in ("train", "val", "test")]
    rng = np.random.default_rng(0)
    return [np.sort(rng.permutation(part)[:n_rows]) for part in found]


def _measure(context, images, labels, parts, training, seed):
    from sfumato.readers.pixels import train_pixels

    train, validation, test = parts
    rows = np.concatenate([train, validation])
    recipe = ReaderRecipe(
        training.n_epochs,
        training.batch_size,
        training.learning_rate,
        balance=0.0,
        precision="auto",
        seed=seed,
    )
    reader, _ = train_pixels(
        Subset(images, rows),
        {"gender": labels["gender"][rows]},
        np.arange(len(rows)) >= len(train),
        training.architecture,
        recipe,
        augmentation="crop",
        progress=lambda done, total, what: context.say(f"{done}/{total} {what}"),
    )
    said, truth = reader.read(Subset(images, test))["gender"].label, labels["gender"][test]
    right = said == truth.astype(str)
    own = {"women": right[truth == "female"].mean(), "men": right[truth == "male"].mean()}
    return {(column,): value for column, value in ({"accuracy": right.mean()} | own).items()}


EXPERIMENT = Experiment(
    title="Gender by pixels, CelebA",
    shows="How well a convolutional network reads gender off photos of people it did not see.",
    source="Raschka, Convolutional Neural Networks for Predicting and Hiding Personal Traits from "
    "Face Images, International Summer School on Deep Learning, Gdansk 2019, slides",
    tables=("celeba",),
    run=run,
    n_seeds={"quick": 1, "full": 3, "gpu": 1},
    seconds={"quick": 5, "full": 1500},
    extras=("deep", "faces"),
)
