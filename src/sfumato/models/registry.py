"""The registered methods, by the name used on the command line; imported when asked for."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

from sfumato.validation import check_choice

ERASERS = {
    "angular": "sfumato.erasers.angular:AngularEraser",
    "barycentre": "sfumato.erasers.barycentre:BarycentreEraser",
    "cosine-noise": "sfumato.erasers.cosine_noise:CosineNoiseEraser",
    "gradient-reversal": "sfumato.erasers.gradient_reversal:GradientReversalEraser",
    "hsic": "sfumato.erasers.hsic:HsicEraser",
    "inlp": "sfumato.erasers.inlp:InlpEraser",
    "ive": "sfumato.erasers.ive:IveEraser",
    "ldp-noise": "sfumato.erasers.ldp_noise:LocalDpEraser",
    "leace": "sfumato.erasers.leace:LeaceEraser",
    "lntl": "sfumato.erasers.lntl:LearningNotToLearnEraser",
    "maxent-arl": "sfumato.erasers.maxent_arl:MaxEntArlEraser",
    "mean-projection": "sfumato.erasers.mean_projection:MeanProjectionEraser",
    "multi-ive": "sfumato.erasers.multi_ive:MultiIveEraser",
    "negative-face": "sfumato.erasers.negative_face:NegativeFaceEraser",
    "pass": "sfumato.erasers.pass_eraser:PassEraser",
    "pe-miu": "sfumato.erasers.pe_miu:PeMiuEraser",
    "pfrnet": "sfumato.erasers.pfrnet:PfrNetEraser",
    "rlace": "sfumato.erasers.rlace:RlaceEraser",
    "sensitivenets": "sfumato.erasers.sensitivenets:SensitiveNetsEraser",
}

#: What is fitted where no method is named: the least leakage of those that keep people
#: recognisable, see ``docs/measured-templates.md``.
RECOMMENDED = "barycentre"

#: The perturber of photos where none is named: it hides most and looks most like the photo, see
#: ``docs/measured-photos.md``.
RECOMMENDED_PERTURBER = "soft"

PERTURBERS = {
    "baseline-gan": "sfumato.perturbers.baseline_gan:BaselineGan",
    "controllable": "sfumato.perturbers.controllable:ControllableFacePrivacy",
    "face-mixing": "sfumato.perturbers.face_mixing:FaceMixing",
    "flowsan": "sfumato.perturbers.flowsan:FlowSan",
    "privacynet": "sfumato.perturbers.privacynet:PrivacyNetPerturber",
    "san": "sfumato.perturbers.san:SanPerturber",
    "san-ensemble": "sfumato.perturbers.san_ensemble:SanEnsemble",
    "soft": "sfumato.perturbers.soft:SoftPerturber",
}


def eraser_class(name: str) -> Any:
    """Return the eraser class registered under ``name``; a bad name lists the good ones."""
    return _class(name, ERASERS)


def perturber_class(name: str) -> Any:
    """Return the perturber class registered under ``name``; a bad name lists the good ones."""
    return _class(name, PERTURBERS)


def summary(name: str) -> str:
    """Return the first line of what a method says of itself, without importing it."""
    module, attribute = (ERASERS | PERTURBERS)[name].split(":")
    source = Path(__file__).parents[2].joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            return re.sub(r"\s*\[\d+\]_(,(?=\s*\[))?", "", first)  # References.
    raise LookupError(f"{source} has no class {attribute}")


def _class(name, registry):
    check_choice(name, tuple(registry), "method")
    module, attribute = registry[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def method_name(estimator: Any, registry: Any = ERASERS) -> Any:
    """Return the registered name of a method."""
    path = f"{type(estimator).__module__}:{type(estimator).__qualname__}"
    names = {value: key for key, value in registry.items()}
    check_choice(path, tuple(names), "class")
    return names[path]
