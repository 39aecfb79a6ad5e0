"""SensitiveNets on wider templates: those of two encoders side by side."""

from pathlib import Path
from typing import Any

from sfumato.reproduce._joined import JoinedTemplates
from sfumato.reproduce._result import Findings
from sfumato.reproduce._widths import measure_widths
from sfumato.reproduce.experiment import Experiment
from sfumato.reproduce.templates import FaceTemplates

UNITS, RETRAINED = [256, 128, 32], 128


def run(context: Any) -> Findings:
    """Measure each width; see :class:`sfumato.reproduce.experiment.Experiment`.

    The quick preset joins the templates with themselves: no photo is embedded again.
    """
    own = context.templates
    other = context.pick(own, None) or FaceTemplates(
        own.folder, own.cache, detector="dlib", encoder="dlib", progress=own.progress
    )
    templates = JoinedTemplates(own, other)
    units = context.pick([128, 16], UNITS)
    found = measure_widths(context, templates, units, context.pick(16, RETRAINED))
    names = " and ".join(Path(encoder).stem for encoder in (own.encoder, other.encoder))
    note = f"Templates of {names}, each of unit length, one after the other."
    return Findings(found.rows, [note, *found.notes])


EXPERIMENT = Experiment(
    title="SensitiveNets, fewer units than features, templates of two encoders",
    shows="As sensitivenets-widths, on templates of MobileFaceNet and dlib side by side: 256 "
    "features to 128 units.",
    source="Morales, Fierrez, Vera-Rodriguez, Tolosana, SensitiveNets, IEEE TPAMI 2020, "
    "Sect. 2.2 and Table I",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 20, "full": 1500},
    extras=("deep", "faces"),
)
