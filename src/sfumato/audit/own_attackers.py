"""Attackers of a user's own, by the names of their modules and classes."""

from typing import Any

from sfumato.errors import InputError
from sfumato.own_classes import make_own


def find_attacker(name: str) -> Any:
    """Return an attacker's name, or an object of the class that ``module:Class`` names.

    Modules of the current folder are found too.

    Raises
    ------
    InputError
        If there is no such module or class, it needs arguments, or it is no classifier.
    """
    if ":" not in name:
        return name
    attacker = make_own(name, "--attacker")
    if not all(callable(getattr(attacker, method, None)) for method in ("fit", "predict")):
        raise InputError(
            f"--attacker {name}: must be a classifier with fit and predict, is a "
            f"{type(attacker).__name__}."
        )
    return attacker
