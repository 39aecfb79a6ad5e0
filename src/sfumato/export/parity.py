"""Does an exported file do what the method does? Rows to ask about, and the difference."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfumato.errors import SfumatoError

TOLERANCE = 1e-5
N_ROWS = 64


@dataclass(frozen=True)
class Export:
    """A method on its way into a file.

    Parameters
    ----------
    graph : Graph
    description : dict
        The metadata, but for the format.
    cases : list of (dict, dict)
        Inputs by name, and the outputs that the method itself gives for them. Masked entries
        may come out either way.
    """

    graph: Any
    description: dict
    cases: list


def edge_rows(n_features: Any, seed: int = 0) -> list[Any]:
    """Return blocks of float32 rows: of usual size, duplicated, one alone, zero, tiny, huge."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((N_ROWS, n_features)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scaled = [rows * np.float32(size) for size in (1e-12, 1e12)]
    return [rows, unit, rows[[0, 1, 0, 0]], rows[:1], 0 * rows[:1], *scaled]


def edge_pictures(shape: Any, seed: int = 0) -> Any:
    """Return pictures in [0, 1] of shape (6, *shape), float32: noise, twins, black and white."""
    rng = np.random.default_rng(seed)
    pictures = rng.random((6, *shape), dtype=np.float32)
    pictures[1], pictures[4], pictures[5] = pictures[0], 0, 1
    return pictures


def difference(found: Any, expected: Any) -> Any:
    """Return the greatest difference over the greatest absolute value that is expected.

    Whole numbers must be equal: else the difference is infinite.
    """
    if found.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind in "iu":
        return 0.0 if np.ma.allequal(found, expected) else float("inf")
    greatest = float(np.abs(expected).max())
    off = np.abs(found.astype(np.float64) - expected).max()
    return float(off / (greatest or 1.0)) if np.isfinite(off) else float("inf")


def check_cases(model: Any, cases: list[Any], name: str | Path) -> Any:
    """Return the greatest difference between an OnnxModel and the method.

    Parameters
    ----------
    model : OnnxModel
    cases : list of (dict, dict)
        As in :class:`Export`.
    name : str or Path
        The file's name, for the message.

    Raises
    ------
    SfumatoError
        If one is above 1e-5.
    """
    greatest = 0.0
    for inputs, expected in cases:
        found = model.run(inputs)
        for output, values in expected.items():
            off = difference(found[output], values)
            if not off <= TOLERANCE:
                raise SfumatoError(
                    f"{name}: ONNX Runtime's {output} differs from the method's by {off:.1e} of "
                    f"its size, more than {TOLERANCE:g}; nothing was written."
                )
            greatest = max(greatest, off)
    return greatest
