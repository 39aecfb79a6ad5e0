"""Emotional-blinded representations, Fig. 3: t-SNE maps of x and of f_3(x) [1]_.

References
----------
.. [1] Peña, Fierrez, Lapedriza, Morales, "Learning Emotional-Blinded Face Representations",
   ICPR 2020, Sect. V-A.
"""

from typing import Any

from sfumato.reproduce._emotion_maps import X_MAP, emotion_maps, f3
from sfumato.reproduce._expressions import shown_by_both
from sfumato.reproduce.experiment import Experiment


def run(context: Any) -> Any:
    """Measure the figure; see :class:`sfumato.reproduce.experiment.Experiment`."""

    def versions(data, rows, shown, seed):
        rows = shown_by_both(rows)
        reader = f3(context, rows.X, rows["expression"], seed)
        return {X_MAP: shown.X, "f_3(x)": reader.transform(shown.X)}

    return emotion_maps(context, versions)


EXPERIMENT = Experiment(
    title="Emotional-blinded representations, Figure 3",
    shows="t-SNE maps of templates and of the layer f_3 trained on them to read the emotion, and "
    "how pure the neighbourhoods of an emotion are on them.",
    source="Peña, Fierrez, Lapedriza, Morales, Learning Emotional-Blinded Face Representations, "
    "ICPR 2020, Fig. 3",
    tables=("jaffe", "ckplus48"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 10, "full": 20},
)
