"""Emotional-blinded representations, Fig. 5: t-SNE map of f_3 after SensitiveNets [1]_.

References
----------
.. [1] Peña, Fierrez, Lapedriza, Morales, "Learning Emotional-Blinded Face Representations",
   ICPR 2020, Sect. V-B.
"""

from typing import Any

from sklearn.preprocessing import StandardScaler

from sfumato.reproduce._emotion_maps import emotion_maps, f3
from sfumato.reproduce._expressions import shown_by_both
from sfumato.reproduce.experiment import Experiment


def run(context: Any) -> Any:
    """Measure the figure; see :class:`sfumato.reproduce.experiment.Experiment`."""

    def versions(data, rows, shown, seed):
        eraser = data.fit_sensitivenets(rows, seed)
        rows = shown_by_both(rows)
        y, phi, phi_shown = rows["expression"], eraser.transform(rows.X), eraser.transform(shown.X)
        scaler = StandardScaler().fit(phi)
        scaled, scaled_shown = scaler.transform(phi), scaler.transform(phi_shown)
        return {
            "f_3(x)": f3(context, rows.X, y, seed).transform(shown.X),
            "f_3(phi(x))": f3(context, phi, y, seed).transform(phi_shown),
            "f_3(standardised phi(x))": f3(context, scaled, y, seed).transform(scaled_shown),
        }

    note = (
        "Features of SensitiveNets' templates vary less than those of x (blinded-table1, last "
        "row); t-SNE goes by who is near, not by how near. Anybody can standardise features: "
        "third row."
    )
    return emotion_maps(context, versions, note)


EXPERIMENT = Experiment(
    title="Emotional-blinded representations, Figure 5",
    shows="t-SNE maps of the layer f_3 trained to read the emotion from SensitiveNets' output, "
    "beside that of raw templates, and how pure an emotion's neighbourhoods are on them.",
    source="Peña, Fierrez, Lapedriza, Morales, Learning Emotional-Blinded Face Representations, "
    "ICPR 2020, Fig. 5",
    tables=("celeba", "jaffe", "ckplus48"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 30, "full": 450},
)
