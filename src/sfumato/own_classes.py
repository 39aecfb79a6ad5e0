"""Classes of a user's own, by the names of their modules and classes."""

import importlib
import os
import sys
from typing import Any

from sfumato.errors import InputError


def make_own(name: str, option: str) -> Any:
    """Return an object of the class that ``module:Class`` names, made without arguments.

    Modules of the current folder are found too. The module is imported, so its code runs: name
    only what you trust.

    Parameters
    ----------
    name : str
    option : str
        Of the command line, for messages.

    Raises
    ------
    InputError
        If there is no such module or class, or it needs arguments.
    """
    module, colon, inside = name.partition(":")
    if not (colon and module and inside):
        raise InputError(f"{option} takes module:Class, got {name!r}.")
    sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), inside)()
    except (Exception, SystemExit) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{option} {name}: cannot be made ({said}).") from error
    finally:
        sys.path.pop(0)
