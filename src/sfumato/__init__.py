"""Soft-biometric privacy for faces: erase attributes from templates, and prove it."""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "FaceTable": "sfumato.data.tables",
    "LeaceEraser": "sfumato.erasers.leace",
    "SensitiveNetsEraser": "sfumato.erasers.sensitivenets",
    "embed": "sfumato.jobs.embed",
    "load": "sfumato.models.files",
    "load_model": "sfumato.models.files",
    "save": "sfumato.models.files",
    "save_model": "sfumato.models.files",
    "simulate": "sfumato.data.simulate",
    "split_identities": "sfumato.data.splits",
    "verify": "sfumato.audit.verification",
}

__all__ = ["__version__", "audit", *_PUBLIC]


def __getattr__(name):
    if name == "audit":
        return importlib.import_module("sfumato.audit")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sfumato' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
