"""FlowSAN: the longer the sequence of SANs, the less gender [1]_.

References
----------
.. [1] Mirjalili, Raschka, Ross, "FlowSAN: privacy-enhancing semi-adversarial networks to confound
   arbitrary face-based gender classifiers", IEEE Access 2019.
"""

from typing import Any

from sfumato.reproduce._gender_outputs import GENDER, NOTES, gender_outputs
from sfumato.reproduce._perturbers_trained import trained
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.experiment import Experiment


def run(context: Any) -> Findings:
    """Measure every length; see :class:`sfumato.reproduce.experiment.Experiment`."""
    method = trained(context, "flowsan")

    def of(length):
        def version(images, labels):
            method.set_params(length=length)
            return method.transform(images, hide=GENDER, labels=labels)

        return version

    versions = {f"{n} SANs": of(n) for n in range(1, method.n_steps + 1)}
    figures = gender_outputs(context, versions)
    return Findings(rows_of({key: (value,) for key, value in figures.items()}), NOTES)


EXPERIMENT = Experiment(
    title="FlowSAN, gender",
    shows="What unseen readers say of gender after one SAN, two, ..., and what it costs in "
    "matching.",
    source="Mirjalili, Raschka, Ross, FlowSAN, IEEE Access 2019",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 12, "full": 7000},
    extras=("deep", "faces"),
)
