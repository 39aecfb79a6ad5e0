"""Readers from files: the user's, and those that come with sfumato.

:func:`sfumato.models.load` opens models of every kind; perturbers and checks, which that module
imports, open the readers that they need by this one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sfumato.data.saved import Saved, named, read_saved
from sfumato.errors import InputError
from sfumato.readers.templates import TemplateReader
from sfumato.validation import check_choice, need

WEIGHTS = Path(__file__).parent / "weights"
#: Registered readers, as :mod:`sfumato.models.registry` has the other methods.
READERS = {
    "template-reader": "sfumato.readers.templates:TemplateReader",
    "pixel-reader": "sfumato.readers.pixels:PixelReader",
}


def shipped_reader(name: str = "dlib") -> Any:
    """Return a reader that comes with sfumato.

    Parameters
    ----------
    name : str, default="dlib"
        That of an encoder whose templates it reads, or "pixels" (which needs the extra ``deep``).

    Raises
    ------
    InputError
        If there is none.
    """
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(shipped_readers())
        raise InputError(
            f"no reader comes with the encoder {name}; use one of {known}, or give a reader."
        )
    return reader_of(read_saved(path), path)


def reader_of_templates(space: str) -> TemplateReader | None:
    """Return the shipped reader of the templates of an embedding space, None without one."""
    for name in shipped_readers():
        path = WEIGHTS / f"{name}.safetensors"
        saved = read_saved(path)
        if saved.method == TemplateReader.method and saved.more["about"].get("encoder") == space:
            return reader_of(saved, path)
    return None


def shipped_readers() -> list[str]:
    """Return the names that :func:`shipped_reader` knows."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def reader_of(saved: Saved, path: str | Path) -> Any:
    """Return the TemplateReader or PixelReader that a file holds, after it read a blank face.

    Raises
    ------
    InputError
        If the file holds another kind, or something does not fit.
    MissingExtraError
        For a PixelReader without the extra ``deep``.
    """
    if saved.kind != "reader":
        raise InputError(f"{path}: holds a model of kind {saved.kind}, not a reader.")
    with named(path):
        check_choice(saved.method, tuple(READERS), "method")
        cls: Any = TemplateReader
        if saved.method == "pixel-reader":
            need("torch", "deep")
            from sfumato.readers.pixels import PixelReader as cls
        reader = cls.from_state(saved.parameters, saved.state, saved.arrays)
        reader.about, reader.sha256 = saved.more["about"], saved.sha256
        reader.checked = saved.format > 1
        _check_readings(reader.read(_blank(reader)))
    return reader


def saved_of(reader: Any, about: Mapping[str, Any] | None = None) -> Saved:
    """Return what a reader's file should hold."""
    parameters, state, arrays = reader.to_state()
    card = dict(reader.about if about is None else about)
    return Saved("reader", reader.method, parameters, state, arrays, {"about": card})


def _blank(reader: Any) -> np.ndarray:
    if reader.kind == "pixels":
        side = reader.crops["size"]
        return np.zeros((1, side, side, 3), np.uint8)
    return np.ones((1, reader.n_features_in_), np.float32)


def _check_readings(readings: Mapping[str, Any]) -> None:
    for name, reading in readings.items():
        task, found = reading.task, reading.probabilities
        n_outputs = len(task.classes if reading.levels is None else task.ages_years)
        if found.shape != (1, n_outputs):
            raise InputError(f"{name}: has {found.shape[1]} outputs for {n_outputs} classes.")
        if not np.isfinite(found).all():
            raise InputError(f"{name}: the probabilities of a blank face are not finite.")
