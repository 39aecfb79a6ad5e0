"""What a training needs to go on where it was cut off: one safetensors file, never pickle."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as tensor_bytes

from sfumato.data.tensors import read_tensors
from sfumato.files import atomic_path

KEY = "sfumato_training"


def save_state(path: str | Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors and plain values, atomically.

    Parameters
    ----------
    path : str or Path
    state : dict
        Such as ``{"net": net.state_dict(), "optimizer": optimizer.state_dict()}``; keys are
        strings or ints, leaves tensors or what JSON holds.
    """
    tensors: dict[str, torch.Tensor] = {}
    plain = _taken_apart(state, "", tensors)
    with atomic_path(path) as temporary:
        # Not save_file: what it says of a full disk names no cause.
        temporary.write_bytes(tensor_bytes(tensors, metadata={KEY: json.dumps(plain)}))


def load_state(path: str | Path) -> Any:
    """Return what :func:`save_state` wrote; tensors are on the CPU.

    Raises
    ------
    InputError
        If the file is missing, broken or another one's.
    """
    what = "a checkpoint of a training"
    return _put_together(*read_tensors(path, KEY, what, framework="pt"))


def _taken_apart(value, name, tensors):
    """Return JSON in which tensors are ``["tensor", name]``; others are tagged likewise."""
    if isinstance(value, torch.Tensor):
        # A copy of its own: tensors that share memory cannot be saved.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return ["tensor", name]
    if isinstance(value, dict):
        pairs = [[key, _taken_apart(v, f"{name}/{key}", tensors)] for key, v in value.items()]
        return ["dict", pairs]
    if isinstance(value, list | tuple):
        return ["list", [_taken_apart(v, f"{name}/{n}", tensors) for n, v in enumerate(value)]]
    return ["value", value]


def _put_together(node, tensors):
    kind, content = node
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _put_together(value, tensors) for key, value in content}
    if kind == "list":
        return [_put_together(value, tensors) for value in content]
    return content
