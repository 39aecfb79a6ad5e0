"""Attackers of a user's own, by the names of their modules and classes."""

from typing import Any

from sfumato.own_classes import make_own


def find_attacker(name: str) -> Any:
    """Return an attacker's name, or an object of the class that ``module:Class`` names.

    Modules of the current folder are found too.

    Raises
    ------
    InputError
        If there is no such module or class, or it needs arguments.
    """
    return make_own(name, "--attacker") if ":" in name else name
