"""Methods of a user's own in the leaderboards."""

from collections.abc import Mapping, Sequence
from typing import Any

from sfumato.errors import InputError
from sfumato.own_classes import make_own
from sfumato.reproduce.registry import load_experiment

#: What each kind must offer, beside what it is made of.
PARTS = {"eraser": ("fit", "transform"), "perturber": ("transform", "attributes_")}


def make_methods(experiment: str, named: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return objects of classes that are named, by the names to show.

    Parameters
    ----------
    experiment : str
    named : dict of str to sequence of str
        By kind, "eraser" or "perturber", classes as ``module:Class``.

    Raises
    ------
    InputError
        If the experiment takes none of this kind, or a class cannot be made or lacks a part.
    """
    takes = load_experiment(experiment).takes
    found = {}
    for kind, names in named.items():
        if names and takes != kind:
            raise InputError(f"--{kind}: {experiment} takes none; {kind}s-leaderboard does.")
        for name in names:
            found[name] = make_own(name, f"--{kind}")
            missing = [part for part in PARTS[kind] if not hasattr(found[name], part)]
            if missing:
                raise InputError(f"--{kind} {name}: lacks {', '.join(missing)}.")
    return found
