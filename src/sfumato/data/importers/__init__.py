"""Importers of public layouts into face tables, one function a layout."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sfumato.data.importers._writing import Imported
from sfumato.data.importers.arrays import import_arrays
from sfumato.data.importers.celeba import import_celeba
from sfumato.data.importers.csv_file import import_csv
from sfumato.data.importers.photos import (
    import_diveface,
    import_folder,
    import_lfw,
    import_utkface,
)
from sfumato.errors import InputError
from sfumato.validation import check_choice

__all__ = [
    "IMPORTERS",
    "Imported",
    "import_arrays",
    "import_celeba",
    "import_csv",
    "import_diveface",
    "import_faces",
    "import_folder",
    "import_lfw",
    "import_utkface",
]

IMPORTERS: dict[str, Callable] = {
    "arrays": import_arrays,
    "celeba": import_celeba,
    "csv": import_csv,
    "diveface": import_diveface,
    "folder": import_folder,
    "lfw": import_lfw,
    "utkface": import_utkface,
}


def import_faces(
    layout: str, source: str | Path, output: str | Path, options: dict[str, Any] | None = None
) -> Imported:
    """Import one of :data:`IMPORTERS` with options given by name.

    Parameters
    ----------
    layout : str
        A key of :data:`IMPORTERS`.
    source, output : str or Path
    options : dict, optional
        Arguments of the layout's function, e.g. ``{"copy_images": True}``.

    Returns
    -------
    Imported

    Raises
    ------
    InputError
        For an unknown layout, or an option that the layout does not have.
    """
    check_choice(layout, tuple(IMPORTERS), "layout")
    options = options or {}
    known = [
        name
        for name, parameter in inspect.signature(IMPORTERS[layout]).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    for name in options:
        if name not in known:
            shown = ", ".join(other for other in known if other != "progress")
            raise InputError(f"layout {layout} has no option {name}; it has {shown}.")
    return IMPORTERS[layout](source, output, **options)
