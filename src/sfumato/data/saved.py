"""The one format of saved models: a safetensors file with a JSON description in its header.

    format 2, sha256        over all arrays and the rest of the description
    kind                    "eraser", "reader" or "perturber"
    method, parameters      the constructor that makes it, and its arguments
    state                   what was fitted, but for the arrays
    version                 the sfumato that saved it
    attributes, info, fitted_on     of an eraser: its provenance
    about                   of a reader or a perturber: the model card

Files of format 1, one for each kind and without checksum, are read too. Networks of readers and
perturbers are kept in half precision, which halves the file and changes no figure that counts;
erasers are where that is asked for, and compute in double precision all the same.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as tensor_bytes

from sfumato import __version__
from sfumato.data.tensors import checksum, open_tensors, parse_json
from sfumato.errors import InputError, MissingExtraError
from sfumato.files import atomic_path

FORMAT, KEY = 2, "sfumato"
_COMMON: dict[str, type] = {
    "kind": str,
    "method": str,
    "parameters": dict,
    "state": dict,
    "version": str,
}
#: By kind, what only its description has.
OWN: dict[str, dict[str, type]] = {
    "eraser": {"attributes": list, "info": dict, "fitted_on": dict},
    "reader": {"about": dict},
    "perturber": {"about": dict},
}
_OLD_KEYS = {KEY: "eraser", "sfumato_reader": "reader", "sfumato_perturber": "perturber"}
_OLD_READERS = {"templates": "template-reader", "pixels": "pixel-reader"}
_WORDS = {str: "text", list: "a list", dict: "a JSON object", int: "a whole number"}


@dataclass(frozen=True)
class Saved:
    """What a model's file holds.

    Parameters
    ----------
    kind : {"eraser", "reader", "perturber"}
    method : str
        Its registered name.
    parameters, state : dict
        The constructor's arguments, and plain fitted values.
    arrays : dict of str to ndarray
        Finite.
    more : dict
        What only this kind has, see :data:`OWN`.
    version : str
    format : int
        As it was read.
    sha256 : str or None
        Of the file that it was read from.
    """

    kind: str
    method: str
    parameters: dict[str, Any]
    state: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    more: dict[str, Any] = field(default_factory=dict)
    version: str = __version__
    format: int = FORMAT
    sha256: str | None = None


def write_saved(saved: Saved, path: str | Path, *, half: bool = False) -> None:
    """Write a model's file, atomically.

    Parameters
    ----------
    saved : Saved
    path : str or Path
    half : bool, default=False
        Keep an eraser's arrays in half precision, as those of the other kinds always are.

    Raises
    ------
    InputError
        For an array or a number that is not finite, or what JSON does not hold.
    """
    arrays = {name: np.ascontiguousarray(value) for name, value in saved.arrays.items()}
    wide = (np.float32, np.float64) if half else (np.float32,)
    if half or saved.kind != "eraser":
        arrays = {name: _recast(value, wide, np.float16) for name, value in arrays.items()}
    _check_finite(arrays, path)
    description: dict[str, Any] = {
        "format": FORMAT,
        "kind": saved.kind,
        "method": saved.method,
        "parameters": saved.parameters,
        "state": saved.state,
        **saved.more,
        "version": saved.version,
    }
    try:
        # Through JSON and back, so that the checksum is of what a reader finds.
        description = json.loads(json.dumps(description, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {saved.method} cannot be saved ({error}).") from error
    description["sha256"] = checksum(description, arrays)
    with atomic_path(path) as temporary:
        # Not save_file: it makes a file of its own, which others may not read.
        temporary.write_bytes(tensor_bytes(arrays, metadata={KEY: json.dumps(description)}))


def read_saved(path: str | Path) -> Saved:
    """Return what a model's file holds, checked.

    Raises
    ------
    InputError
        If the file is missing, foreign, broken, damaged or newer than this version reads; if its
        description misses something, has something unknown or of another type; or if an array
        is not finite.
    """
    found = open_tensors(path)
    key = next((key for key in _OLD_KEYS if key in found.metadata), None)
    if key is None:
        raise InputError(f"{path}: a safetensors file, but not one that sfumato saved.")
    description = parse_json(found.metadata[key], path)
    if not isinstance(description, dict):
        raise InputError(f"{path}: its description must be a JSON object, got {description!r}.")
    number = description.get("format")
    if number == 1 and "sha256" not in description:
        content = _upgraded(description, _OLD_KEYS[key])
    elif number == FORMAT and key == KEY:
        content = description
    else:
        raise InputError(
            f"{path}: model format {number!r}, this version reads 1 and {FORMAT}; update sfumato."
        )
    _check_description(content, path)
    _check_finite(found.tensors, path)
    if number == FORMAT and description["sha256"] != checksum(description, found.tensors):
        raise InputError(
            f"{path}: damaged or edited: its content does not have the SHA-256 of its header; "
            "fetch or fit it again."
        )
    kind = content["kind"]
    whole = np.float64 if kind == "eraser" else np.float32
    arrays = {name: _recast(a, (np.float16,), whole) for name, a in found.tensors.items()}
    return Saved(
        **{name: content[name] for name in _COMMON},
        arrays=arrays,
        more={name: content[name] for name in OWN[kind]},
        format=number,
        sha256=found.sha256,
    )


@contextlib.contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Raise whatever goes wrong while a file's model is made as one line that names the file."""
    try:
        yield
    except MissingExtraError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # A description that somebody edited can break a method anywhere.
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{path}: its content makes no working model ({said}).") from error


def _upgraded(old: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the description of a file of format 1 as one of format 2; it may lack something."""
    new = dict(old) | {"format": FORMAT, "sha256": "", "kind": kind}
    if kind == "reader":
        new["method"] = _OLD_READERS.get(str(old.get("kind")), str(old.get("kind")))
        new["version"] = "0.1.0"
        if "architecture" in new:
            new["parameters"] = new.pop("architecture")
        if "tasks" in new:
            new["state"] = {"tasks": new.pop("tasks")}
    if kind == "perturber" and isinstance(old.get("state"), dict):
        # The class derives it now.
        new["state"] = {name: value for name, value in old["state"].items() if name != "shown_"}
    return new


def _check_description(found: Mapping[str, Any], path: str | Path) -> None:
    kind = found.get("kind")
    if kind not in OWN:
        raise InputError(f"{path}: 'kind' must be one of {', '.join(OWN)}, got {kind!r}.")
    known = {"format": int, "sha256": str, **_COMMON, **OWN[kind]}
    for name, wanted in known.items():
        if name not in found:
            raise InputError(f"{path}: its description misses {name!r}.")
        if not isinstance(found[name], wanted):
            raise InputError(
                f"{path}: {name!r} must be {_WORDS[wanted]}, got {_short(found[name])}."
            )
    for name in found:
        if name not in known:
            raise InputError(f"{path}: its description has an unknown entry {name!r}.")
    for name in found.get("attributes", ()):
        if not isinstance(name, str):
            raise InputError(f"{path}: 'attributes' must be names, got {_short(name)}.")


def _check_finite(arrays: Mapping[str, NDArray[Any]], path: str | Path) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: array {name!r} has a NaN or infinite value.")


def _recast(array: NDArray[Any], old: tuple[Any, ...], new: Any) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # What becomes infinite is refused.
        return array.astype(new) if array.dtype in old else array


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
