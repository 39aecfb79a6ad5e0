"""CORAL, Figure S2: the level probabilities of one face, OR-CNN's beside CORAL's [1]_.

References
----------
.. [1] Cao, Mirjalili, Raschka, "Rank-consistent ordinal regression for neural networks",
   arXiv:1901.07884v3, Fig. S2.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sfumato.audit.plots import AFTER, BEFORE, INK, STYLE
from sfumato.metrics.ordinal import n_inconsistencies
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.ages import CPU, MODELS, TINY, Ages, judge, train_age, trained_as
from sfumato.reproduce.experiment import Experiment

SHOWN = ("OR-CNN", "CORAL-CNN")
COLUMNS = ("faces with an inconsistency", "inconsistencies a face", "MAE")


def run(context: Any) -> Findings:
    """Measure the figure; see :class:`sfumato.reproduce.experiment.Experiment`."""
    training = context.pick(TINY, CPU, trained_as("resnet34"))
    data = Ages.read(context, training.architecture.size)
    first: dict = {}

    def measure(seed):
        figures: dict = {}
        for name in SHOWN:
            reading, test = train_age(context, data, training, MODELS[name][0], seed)
            if seed == context.seeds[0]:
                first[name] = reading
            found = judge(data, reading, test)
            figures |= {("UTKFace", name, column): found[column] for column in COLUMNS}
        return figures

    rows = rows_of(context.over_seeds(measure))
    notes = [
        "The picture: the test face on which OR-CNN contradicts itself most, seed 0; the paper "
        "shows one of MORPH-2. Networks and rows are those of coral-table1.",
    ]
    return Findings(rows, notes, {"levels": draw(first)})


def draw(readings: dict[str, Any]) -> Any:
    """Draw the level probabilities of the face on which OR-CNN contradicts itself most.

    Parameters
    ----------
    readings : dict of str to Reading
        By name, of the same faces.

    Returns
    -------
    matplotlib Figure
    """
    face = int(n_inconsistencies(readings[SHOWN[0]].levels).argmax())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 3), layout="constrained")
        for axes, name in zip(figure.subplots(1, 2, sharey=True), SHOWN, strict=True):
            levels, ages = readings[name].levels[face], readings[name].task.ages_years[1:]
            axes.plot(ages, levels, "o-", color=AFTER, ms=3, lw=1)
            up = np.flatnonzero(np.diff(levels) > 0) + 1
            axes.plot(np.array(ages)[up], levels[up], "o", color=BEFORE, ms=6, label="rises")
            axes.axhline(0.5, color=INK, lw=1, ls=(0, (4, 3)))
            axes.set(title=f"{name}: {len(up)} rise", xlabel="age of the level, years")
            axes.set_ylim(-0.02, 1.02)
            axes.grid()
        figure.axes[0].set_ylabel("probability of being as old")
    return figure


EXPERIMENT = Experiment(
    title="CORAL, Figure S2",
    shows="Level probabilities of a face by OR-CNN, which may contradict each other, and by "
    "CORAL, which cannot.",
    source="Cao, Mirjalili, Raschka, Rank-consistent ordinal regression, arXiv:1901.07884v3",
    tables=("utkface",),
    run=run,
    n_seeds={"quick": 1, "full": 3, "gpu": 3},
    seconds={"quick": 8, "full": 2400},
    extras=("deep", "faces"),
)
