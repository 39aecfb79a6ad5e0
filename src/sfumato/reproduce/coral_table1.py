"""CORAL, Table 1: ages by cross-entropy, OR-CNN and CORAL, on one split and network [1]_.

References
----------
.. [1] Cao, Mirjalili, Raschka, "Rank-consistent ordinal regression for neural networks",
   arXiv:1901.07884v3; Raschka, "Convolutional Neural Networks for Predicting and Hiding
   Personal Traits from Face Images", International Summer School on Deep Learning, Gdansk
   2019, slides.
"""

import functools
from typing import Any

from sfumato.reproduce._published import published
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.ages import (
    CPU,
    FIRST,
    LAST,
    MODELS,
    TINY,
    Ages,
    judge,
    train_age,
    trained_as,
)
from sfumato.reproduce.experiment import Experiment

FULL_SIZE = {
    "ResNet-34": trained_as("resnet34"),
    "VGG-16": trained_as("vgg16"),
    "Inception-v3": trained_as("inception-v3"),
}
SMALL = "ResNet-18, half width"


def run(context: Any) -> Findings:
    """Measure the table; see :class:`sfumato.reproduce.experiment.Experiment`."""
    trainings = context.pick({"a tiny network": TINY}, {SMALL: CPU}, FULL_SIZE)
    first = next(iter(trainings.values()))
    data = Ages.read(context, first.architecture.size)

    def measure(seed):
        figures: dict = {}
        for section, training in trainings.items():
            for name in MODELS:
                cell = functools.partial(_measure, context, data, training, name, seed)
                found = context.once(f"{section}, {name}, seed {seed}", cell)
                figures |= {(section, name, column): v for (column,), v in found.items()}
        return figures

    rows = rows_of(context.over_seeds(measure), _published(trainings))
    return Findings(rows, _notes(context, data, first))


def _measure(context, data, training, name, seed):
    model, weighted = MODELS[name]
    reading, test = train_age(context, data, training, model, seed, weighted=weighted)
    return {(column,): value for column, value in judge(data, reading, test).items()}


def _published(trainings):
    """Return published figures; a small network is put beside ResNet-34's."""
    found: dict = {}
    for section in trainings:
        stands_beside = section if section in FULL_SIZE else "ResNet-34"
        found |= {
            (section, *row): value
            for (other, *row), value in published("coral-table1").items()
            if other == stands_beside
        }
    return found


def _notes(context, data, training):
    train, validation, test = (len(part) for part in data.parts(context.seeds[0]))
    side = training.architecture.crop
    return [
        f"UTKFace, {FIRST} to {LAST} years: {train:,} photos to train, {validation:,} to pick the "
        f"epoch by, {test:,} to test, other ones for each seed; whole photos, mirrored and cut at "
        "random. UTKFace names nobody: a person may be on several sides.",
        "The published figures are of networks from the start at 120 pixels, Adam at 5e-4, "
        f"batches of 256, 200 epochs, those beside a small network ResNet-34's. Ours: {side} "
        f"pixels, AdamW without decay at {training.learning_rate:g}, its rate falling along a "
        f"cosine, batches of {training.batch_size}, {training.n_epochs} epochs. Small networks "
        "and few epochs: compare the rows with each other.",
        "An inconsistency: a level more likely than the one before. OR-CNN's and CORAL's losses "
        "are divided alike; all biases start at the ages' frequencies.",
    ]


EXPERIMENT = Experiment(
    title="CORAL, Table 1",
    shows="Ages by cross-entropy, OR-CNN, CORAL (with and without importance weights) and CORN: "
    "errors, and how often level probabilities contradict each other.",
    source="Cao, Mirjalili, Raschka, Rank-consistent ordinal regression, arXiv:1901.07884v3",
    tables=("utkface",),
    run=run,
    n_seeds={"quick": 1, "full": 3, "gpu": 3},
    seconds={"quick": 10, "full": 7200},
    extras=("deep", "faces"),
)
