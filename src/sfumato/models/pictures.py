"""Saved perturbers: one safetensors file with a JSON description in its header, never pickle.

Weights of networks are kept in half precision: it halves the file and moves no pixel by a level
that can be seen.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import sfumato.perturbers
from sfumato import __version__
from sfumato._fitted import fitted_state, restore
from sfumato.data.tensors import read_tensors
from sfumato.errors import InputError
from sfumato.files import atomic_path
from sfumato.models.registry import PERTURBERS, method_name, perturber_class

FORMAT, KEY = 1, "sfumato_perturber"
WEIGHTS = Path(sfumato.perturbers.__file__).parent / "weights"


def save_perturber(perturber, path, *, about=None):
    """Write a fitted perturber, atomically.

    Parameters
    ----------
    perturber : Perturber
    path : str or Path
    about : dict, optional
        What it was trained on and what was measured: the model card.
    """
    arrays, state = fitted_state(perturber)
    description = {
        "format": FORMAT,
        "method": method_name(perturber, PERTURBERS),
        "parameters": perturber.get_params(),
        "state": state,
        "about": about or {},
        "version": __version__,
    }
    half = {name: np.ascontiguousarray(_half(values)) for name, values in arrays.items()}
    with atomic_path(path) as temporary:
        save_file(half, temporary, metadata={KEY: json.dumps(description)})


def load_perturber(path):
    """Return the perturber of a file; nothing in it is executed.

    Returns
    -------
    perturber : Perturber
    about : dict
        What was saved with it.

    Raises
    ------
    InputError
        If the file is missing, broken, foreign or newer than this version reads.
    """
    description, arrays = read_tensors(path, KEY, "one of a perturber")
    if description["format"] != FORMAT:
        raise InputError(
            f"{path}: perturber format {description['format']}, this version reads {FORMAT}; "
            "update sfumato."
        )
    perturber = perturber_class(description["method"])(**description["parameters"])
    single = {name: _single(values) for name, values in arrays.items()}
    # Files of before the class itself derived it have shown_ too.
    state = {name: value for name, value in description["state"].items() if name != "shown_"}
    try:
        restore(perturber, single, state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return perturber, description["about"]


def shipped_perturber(name="privacynet"):
    """Return a perturber that comes with sfumato.

    Parameters
    ----------
    name : str, default="privacynet"

    Returns
    -------
    perturber : Perturber
    about : dict
        What it was trained on and what was measured.

    Raises
    ------
    InputError
        If none of this name comes along.
    """
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(shipped_perturbers()) or "none"
        raise InputError(
            f"no perturber {name} comes with sfumato (those that do: {known}); give the file "
            "of one."
        )
    return load_perturber(path)


def shipped_perturbers():
    """Return the names that :func:`shipped_perturber` knows."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def _half(values):
    return values.astype(np.float16) if values.dtype == np.float32 else values


def _single(values):
    return values.astype(np.float32) if values.dtype == np.float16 else values
