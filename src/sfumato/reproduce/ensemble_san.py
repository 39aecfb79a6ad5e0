"""Ensemble of SANs: one output of several, by three ways to choose [1]_.

References
----------
.. [1] Mirjalili, Raschka, Ross, "Gender privacy: an ensemble of semi-adversarial networks for
   confounding arbitrary gender classifiers", BTAS 2018.
"""

from typing import Any

from sfumato.reproduce._gender_outputs import GENDER, NOTES, gender_outputs
from sfumato.reproduce._perturbers_trained import trained
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.experiment import Experiment

SELECTIONS = ("random", "average", "gibbs")


def run(context: Any) -> Findings:
    """Measure each selection; see :class:`sfumato.reproduce.experiment.Experiment`."""
    method = trained(context, "san-ensemble")

    def selected(selection):
        def version(images, labels):
            method.set_params(selection=selection)
            return method.transform(images, hide=GENDER, labels=labels)

        return version

    figures = gender_outputs(context, {name: selected(name) for name in SELECTIONS})
    return Findings(rows_of({key: (value,) for key, value in figures.items()}), NOTES)


EXPERIMENT = Experiment(
    title="Ensemble of SANs, gender",
    shows="What unseen readers say of gender where one of several SANs is drawn, all are "
    "averaged, or the surest is likeliest.",
    source="Mirjalili, Raschka, Ross, Gender privacy: an ensemble of semi-adversarial networks, "
    "BTAS 2018",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 12, "full": 9000},
    extras=("deep", "faces"),
)
