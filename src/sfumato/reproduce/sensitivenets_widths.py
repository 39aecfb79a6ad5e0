"""SensitiveNets at the paper's ratio: half as many units as features, and fewer."""

from typing import Any

from sfumato.reproduce._result import Findings
from sfumato.reproduce._widths import measure_widths
from sfumato.reproduce.experiment import Experiment

UNITS, RETRAINED = [128, 64, 32, 16], 64


def run(context: Any) -> Findings:
    """Measure each width; see :class:`sfumato.reproduce.experiment.Experiment`."""
    units = context.pick([128, 8], UNITS)
    return measure_widths(context, context.templates, units, context.pick(8, RETRAINED))


EXPERIMENT = Experiment(
    title="SensitiveNets, fewer units than features",
    shows="What SensitiveNets hides with half as many units as features (the paper's ratio) and "
    "with fewer: the paper's three probes, the audit's strongest attacker, matching, and the "
    "rank of the map.",
    source="Morales, Fierrez, Vera-Rodriguez, Tolosana, SensitiveNets, IEEE TPAMI 2020, "
    "Sect. 2.2 and Table I",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 30, "full": 2000},
)
