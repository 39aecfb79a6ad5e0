"""SAN: gender on its same-class, neutral and opposite outputs [1]_.

References
----------
.. [1] Mirjalili, Raschka, Namboodiri, Ross, "Semi-adversarial networks", ICB 2018.
"""

from typing import Any

from sfumato.reproduce._gender_outputs import GENDER, NOTES, gender_outputs
from sfumato.reproduce._perturbers_trained import trained
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.experiment import Experiment


def run(context: Any) -> Findings:
    """Measure the three outputs; see :class:`sfumato.reproduce.experiment.Experiment`."""
    method = trained(context, "san")
    classes = method.attributes_[GENDER]

    def same(images, labels):
        found = images.copy()
        for name in classes:
            rows = labels[GENDER] == name
            found[rows] = method.transform(
                images[rows], hide={GENDER: name}, labels={GENDER: labels[GENDER][rows]}
            )
        return found

    versions = {
        "same class": same,
        "neutral": lambda x, labels: method.transform(x, hide={GENDER: "neutral"}, labels=labels),
        "opposite": lambda x, labels: method.transform(x, hide=GENDER, labels=labels),
    }
    figures = gender_outputs(context, versions)
    return Findings(rows_of({key: (value,) for key, value in figures.items()}), NOTES)


EXPERIMENT = Experiment(
    title="SAN, gender",
    shows="What unseen readers say of gender on the same-class, neutral and opposite outputs, "
    "and whether an unseen matcher still accepts them.",
    source="Mirjalili, Raschka, Namboodiri, Ross, Semi-adversarial networks, ICB 2018",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 10, "full": 3000},
    extras=("deep", "faces"),
)
