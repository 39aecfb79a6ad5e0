"""Attackers of a user's own, by the names of their modules and classes."""

import importlib
import os
import sys
from typing import Any

from sfumato.errors import InputError


def find_attacker(name: str) -> Any:
    """Return an attacker's name, or an object of the class that ``module:Class`` names.

    Modules of the current folder are found too.

    Raises
    ------
    InputError
        If there is no such module or class, or it needs arguments.
    """
    if ":" not in name:
        return name
    module, _, inside = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), inside)()
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"--attacker {name}: cannot be made ({said}).") from error
    finally:
        sys.path.pop(0)
