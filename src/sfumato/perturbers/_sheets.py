"""Contact sheets: faces below each other, their changed versions beside them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.errors import InputError
from sfumato.faces.saving import save_photo

GAP = 2
WHITE = 255


def contact_sheet(columns: list[ArrayLike]) -> NDArray[np.uint8]:
    """Return one picture of several versions of the same faces.

    Parameters
    ----------
    columns : list of array-like of shape (n_faces, 3, height, width)
        In [0, 1]; the first usually the originals.

    Returns
    -------
    ndarray of shape (sheet height, sheet width, 3), uint8
        A row a face, a column a version, two white pixels between.

    Raises
    ------
    InputError
        If the versions differ in shape.
    """
    versions = np.stack([np.asarray(column, dtype=np.float32) for column in columns])
    if versions.ndim != 5 or versions.shape[2] != 3 or not versions.size:
        raise InputError(
            f"columns must be pictures of shape (n_faces, 3, height, width), got "
            f"{versions.shape[1:]}."
        )
    pixels = np.rint(255 * versions.clip(0, 1)).astype(np.uint8).transpose(1, 0, 3, 4, 2)
    n_rows, n_columns, height, width, _ = pixels.shape
    sheet = np.full(
        (n_rows * (height + GAP) - GAP, n_columns * (width + GAP) - GAP, 3), WHITE, np.uint8
    )
    for row in range(n_rows):
        for column in range(n_columns):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = pixels[row, column]
    return sheet


def save_sheet(columns: Any, path: str | Path) -> None:
    """Write :func:`contact_sheet` as a picture, ``.png`` for example."""
    save_photo(contact_sheet(columns), Path(path))
