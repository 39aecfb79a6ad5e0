"""SensitiveNets, Fig. 4: t-SNE maps of templates before and after [1]_.

References
----------
.. [1] Morales, Fierrez, Vera-Rodriguez, Tolosana, "SensitiveNets: Learning Agnostic
   Representations with Application to Face Images", IEEE TPAMI 2020, Sect. 4.3.
"""

from typing import Any

import numpy as np

from sfumato.data.splits import balanced_rows
from sfumato.reproduce._maps import N_NEIGHBOURS, draw_maps, purity, tsne
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.demographics import ATTRIBUTES, WIDER, Demographics
from sfumato.reproduce.experiment import Experiment

BEFORE, AFTER = "x", "SensitiveNets"
SECTION = "purity on the map"


def run(context: Any) -> Findings:
    """Measure the figure; see :class:`sfumato.reproduce.experiment.Experiment`."""
    data = Demographics.read(context)
    pictures: dict = {}

    def measure(seed):
        sensitive, held_out = data.halves(seed)
        eraser = data.fit_sensitivenets(context, sensitive, seed)
        both = _crossed(held_out)
        rows = balanced_rows(both, seed=seed, max_rows=context.pick(420, 2_400))
        shown, both = held_out.take(rows), both[rows]
        context.say("t-SNE")
        maps = {BEFORE: tsne(shown.X, seed=seed)}
        maps[AFTER] = tsne(eraser.transform(shown.X), seed=seed)
        if seed == context.seeds[0]:
            pictures["maps"] = draw_maps(maps, both)
        labels = {name: shown[name].astype(str) for name in ATTRIBUTES} | {"both": both}
        figures: dict = {}
        for name, y in labels.items():
            for side, points in maps.items():
                value, chance = purity(points, y)
                figures[SECTION, name, side] = value
            figures[SECTION, name, "chance"] = chance
        return figures

    figures = context.over_seeds(measure)
    notes = [
        f"Share of the {N_NEIGHBOURS} nearest neighbours on the map that have the point's label, "
        "averaged over the classes; the paper prints the maps alone.",
        "UTKFace's faces that the eraser did not see, equally many of each gender and group. "
        "The map shows the first seed.",
        WIDER,
    ]
    return Findings(rows_of(figures), notes, pictures)


def _crossed(faces):
    gender, group = (faces[name].astype(str) for name in ATTRIBUTES)
    return np.char.add(np.char.add(gender, ", "), group)


EXPERIMENT = Experiment(
    title="SensitiveNets, Figure 4",
    shows="t-SNE maps of templates before and after SensitiveNets, and how pure the "
    "neighbourhoods of gender and ethnicity are on them.",
    source="Morales, Fierrez, Vera-Rodriguez, Tolosana, SensitiveNets, IEEE TPAMI 2020, Fig. 4",
    tables=("celeba", "utkface"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 15, "full": 500},
)
