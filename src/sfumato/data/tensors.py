"""Safetensors files with a JSON description in the header: nothing in them is executed."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from sfumato.errors import InputError

MAX_HEADER = 100_000_000  # Bytes; that of the format's own reader.


@dataclass(frozen=True)
class TensorFile:
    """What a safetensors file holds.

    Parameters
    ----------
    metadata : dict of str to str
        The texts of its header.
    tensors : dict of str to ndarray or Tensor
    sha256 : str
        Of the whole file, 64 hexadecimal digits.
    """

    metadata: dict[str, str]
    tensors: dict[str, Any]
    sha256: str


def open_tensors(path: str | Path, *, framework: str = "numpy") -> TensorFile:
    """Read a safetensors file.

    Parameters
    ----------
    path : str or Path
    framework : {"numpy", "pt"}, default="numpy"

    Raises
    ------
    InputError
        If the file is missing or broken.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        content = _content(path)
        (n_header,) = struct.unpack_from("<Q", content)
        metadata = json.loads(content[8 : 8 + n_header]).get("__metadata__", {})
        if framework == "pt":
            from safetensors.torch import load

            return TensorFile(metadata, load(content), hashlib.sha256(content).hexdigest())
        tensors = safetensors.numpy.load(content)
    # safetensors raises its own exception, and others for types that NumPy lacks.
    except Exception as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    return TensorFile(metadata, tensors, hashlib.sha256(content).hexdigest())


def read_tensors(
    path: str | Path, key: str, what: str, *, framework: str = "numpy"
) -> tuple[Any, dict[str, Any]]:
    """Return a file's description and its tensors.

    Parameters
    ----------
    path : str or Path
    key : str
        Under which the header has the description.
    what : str
        What the file should be, for the message, such as ``"a gallery's calibration"``.
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
    found = open_tensors(path, framework=framework)
    if key not in found.metadata:
        raise InputError(f"{path}: a safetensors file, but not {what}.")
    return parse_json(found.metadata[key], path), found.tensors


def parse_json(text: str, path: str | Path) -> Any:
    """Return what a file's JSON text holds; NaN and infinity are refused."""

    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its description is not readable JSON ({error}).") from error


def checksum(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of a description and arrays: names, types, shapes and bytes.

    Parameters
    ----------
    description : dict
        What JSON holds; its entry ``sha256`` is left out.
    arrays : dict of str to ndarray
    """
    plain = {key: value for key, value in description.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    """Return a file's bytes, of a large file of another kind only the first few."""
    with open(path, "rb") as file:
        start = file.read(8)
        (n_header,) = struct.unpack("<Q", start)
        if n_header > MAX_HEADER or not (first := file.read(1)) == b"{":
            raise ValueError("no header")
        return start + first + file.read()
