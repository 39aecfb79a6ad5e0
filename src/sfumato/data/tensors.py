"""Safetensors files with a JSON description in the header: nothing in them is executed."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from sfumato.errors import InputError


def read_tensors(path, key, what, *, framework="numpy"):
    """Return a file's description and its tensors.

    Parameters
    ----------
    path : str or Path
    key : str
        Under which the header has the description.
    what : str
        What the file should be, for the message, such as ``"one of a reader"``.
    framework : {"numpy", "pt"}, default="numpy"

    Returns
    -------
    description : object
        What the JSON holds.
    tensors : dict of str to ndarray or Tensor

    Raises
    ------
    InputError
        If the file is missing, broken or another one's.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        with safe_open(path, framework=framework) as file:
            found = (file.metadata() or {}).get(key)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    if found is None:
        raise InputError(f"{path}: a safetensors file, but not {what}.")
    return json.loads(found), tensors
