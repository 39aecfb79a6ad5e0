"""Soft-biometric privacy for faces: erase attributes from templates, and prove it.

Names are imported when they are first used: ``import sfumato`` loads no other module.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from sfumato import audit as audit
    from sfumato.audit.comparing import compare
    from sfumato.audit.many import audit_many
    from sfumato.audit.protocol import audit as audit_embeddings
    from sfumato.audit.tables import audit_tables
    from sfumato.audit.verification import verify
    from sfumato.data.simulate import simulate
    from sfumato.data.splits import split_identities
    from sfumato.data.tables import FaceTable
    from sfumato.erasers.barycentre import BarycentreEraser
    from sfumato.erasers.leace import LeaceEraser
    from sfumato.erasers.sensitivenets import SensitiveNetsEraser
    from sfumato.jobs.describe import describe
    from sfumato.jobs.embed import embed
    from sfumato.jobs.protect_files import protect_photos
    from sfumato.jobs.protect_templates import protect_table
    from sfumato.models.files import load, load_model, save, save_model
    from sfumato.models.registry import eraser_class, perturber_class
    from sfumato.models.tables import fit_table
    from sfumato.perturbers.controllable import ControllableFacePrivacy
    from sfumato.perturbers.face_mixing import FaceMixing
    from sfumato.perturbers.flowsan import FlowSan
    from sfumato.perturbers.privacynet import PrivacyNetPerturber
    from sfumato.perturbers.san import SanPerturber
    from sfumato.perturbers.san_ensemble import SanEnsemble
    from sfumato.perturbers.soft import SoftPerturber

#: Where each public name lives; ``module:name`` if it is called otherwise there.
_PUBLIC = {
    "BarycentreEraser": "sfumato.erasers.barycentre",
    "ControllableFacePrivacy": "sfumato.perturbers.controllable",
    "FaceMixing": "sfumato.perturbers.face_mixing",
    "FaceTable": "sfumato.data.tables",
    "FlowSan": "sfumato.perturbers.flowsan",
    "LeaceEraser": "sfumato.erasers.leace",
    "PrivacyNetPerturber": "sfumato.perturbers.privacynet",
    "SanEnsemble": "sfumato.perturbers.san_ensemble",
    "SanPerturber": "sfumato.perturbers.san",
    "SensitiveNetsEraser": "sfumato.erasers.sensitivenets",
    "SoftPerturber": "sfumato.perturbers.soft",
    "audit_embeddings": "sfumato.audit.protocol:audit",
    "audit_many": "sfumato.audit.many",
    "audit_tables": "sfumato.audit.tables",
    "compare": "sfumato.audit.comparing",
    "describe": "sfumato.jobs.describe",
    "embed": "sfumato.jobs.embed",
    "eraser_class": "sfumato.models.registry",
    "fit_table": "sfumato.models.tables",
    "load": "sfumato.models.files",
    "load_model": "sfumato.models.files",
    "perturber_class": "sfumato.models.registry",
    "protect_photos": "sfumato.jobs.protect_files",
    "protect_table": "sfumato.jobs.protect_templates",
    "save": "sfumato.models.files",
    "save_model": "sfumato.models.files",
    "simulate": "sfumato.data.simulate",
    "split_identities": "sfumato.data.splits",
    "verify": "sfumato.audit.verification",
}

__all__ = [
    "BarycentreEraser",
    "ControllableFacePrivacy",
    "FaceMixing",
    "FaceTable",
    "FlowSan",
    "LeaceEraser",
    "PrivacyNetPerturber",
    "SanEnsemble",
    "SanPerturber",
    "SensitiveNetsEraser",
    "SoftPerturber",
    "__version__",
    "audit",
    "audit_embeddings",
    "audit_many",
    "audit_tables",
    "compare",
    "describe",
    "embed",
    "eraser_class",
    "fit_table",
    "load",
    "load_model",
    "perturber_class",
    "protect_photos",
    "protect_table",
    "save",
    "save_model",
    "simulate",
    "split_identities",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "audit":
        return importlib.import_module("sfumato.audit")
    if name == "__version__":
        return _version()
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sfumato' has no attribute {name!r}")
    module, _, inside = _PUBLIC[name].partition(":")
    value = getattr(importlib.import_module(module), inside or name)
    globals()[name] = value
    return value


def _version() -> str:
    """Return the installed version: pyproject.toml alone states it."""
    from importlib import metadata

    try:
        return metadata.version("sfumato")
    except metadata.PackageNotFoundError:  # A folder on the path, not installed.
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted(__all__)
