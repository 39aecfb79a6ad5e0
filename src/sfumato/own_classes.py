"""Classes and functions of a user's own, by the names of their modules and their own."""

import importlib
import os
import sys
from collections.abc import Callable
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
    return _made(name, option, "made", lambda: getattr(importlib.import_module(module), inside)())


def import_function(name: str, option: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names, imported as :func:`make_own` does.

    Parameters
    ----------
    name : str
    option : str
        Of the command line, for messages.

    Raises
    ------
    InputError
        If there is no such module or function.
    """
    module, colon, inside = name.partition(":")
    if not (colon and module and inside):
        raise InputError(f"{option} takes module:function, got {name!r}.")
    found = _made(
        name, option, "imported", lambda: getattr(importlib.import_module(module), inside)
    )
    if not callable(found):
        raise InputError(f"{option} {name}: is no function, got {type(found).__name__}.")
    return found


def _made(name, option, done, make):
    sys.path.insert(0, os.getcwd())
    try:
        return make()
    except (Exception, SystemExit) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{option} {name}: cannot be {done} ({said}).") from error
    finally:
        sys.path.pop(0)
