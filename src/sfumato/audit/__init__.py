"""Audits: what freshly trained attackers read, and what matching still does."""

import importlib

_PUBLIC = {
    "audit": "sfumato.audit.protocol",
    "audit_many": "sfumato.audit.many",
    "audit_tables": "sfumato.audit.tables",
    "verify": "sfumato.audit.verification",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sfumato.audit' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
