"""Models: one file format, the registry of methods, and what is done with a saved model."""

import importlib
from typing import Any

_PUBLIC = {
    "SavedModel": "sfumato.models.saved_model",
    "bundled": "sfumato.models.files",
    "load": "sfumato.models.files",
    "save": "sfumato.models.files",
}


def __getattr__(name: str) -> Any:
    # On first use: whoever needs the registry alone should not wait for scikit-learn.
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sfumato.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
