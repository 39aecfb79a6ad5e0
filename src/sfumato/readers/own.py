"""Readings of a user's own: a function that looks at faces, or answers in a CSV file."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.files import read_text

#: What a user may call an attribute, and what readers call it.
NAMES = {
    "gender": "gender",
    "race": "ethnicity",
    "ethnicity": "ethnicity",
    "age": "age_years",
    "age_years": "age_years",
}
COLUMNS = ("reader", "photo", "face", "attribute", "value")
PHOTOS = ("before", "after", "uploaded")


class OwnReader:
    """A function as a reader of faces.

    Parameters
    ----------
    name : str
        For messages.
    function : callable
        A face, an array of shape (224, 224, 3), uint8 and RGB, in; a dict from attribute (gender,
        race or age) to its class, or to the age in years, out. What it does not know it leaves
        out.
    """

    kind = "own"

    def __init__(self, name: str, function: Callable[[NDArray[np.uint8]], Mapping[str, Any]]):
        self.name, self.function = name, function

    def read_face(self, crop: NDArray[np.uint8]) -> dict[str, dict[str, Any]]:
        """Return what the function says of a face, as a check holds it.

        Raises
        ------
        InputError
            If it fails, or answers something else than attributes and their classes.
        """
        try:
            said = dict(self.function(crop))
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"--reader {self.name}: cannot read a face ({text}).") from error
        return dict(plain(name, value, f"--reader {self.name}") for name, value in said.items())


def plain(attribute: Any, value: Any, where: str) -> tuple[str, dict[str, Any]]:
    """Return what readers call an attribute, and its reading as a check holds it.

    Raises
    ------
    InputError
        For an unknown attribute, an empty class, or an age that is no number of years.
    """
    if attribute not in NAMES:
        raise InputError(f"{where}: attribute must be gender, race or age, got {attribute!r}.")
    name = NAMES[attribute]
    if name != "age_years":
        if not str(value).strip():
            raise InputError(f"{where}: {attribute} has no class; leave out what is not read.")
        return name, {"label": str(value).strip()}
    try:
        years = float(value)
    except (TypeError, ValueError):
        years = np.nan
    if not 0 <= years <= 150:
        raise InputError(f"{where}: age must be a number of years, 0 to 150, got {value!r}.")
    return name, {"years": years}


def read_readings(path: str | Path) -> dict[int, dict[str, Any]]:
    """Return the readings of a CSV file, by face, reader, attribute and photo.

    Parameters
    ----------
    path : str or Path
        With columns reader, photo ("before", "after" or "uploaded"), face (0 is the largest),
        attribute (gender, race or age) and value (a class, or years).

    Raises
    ------
    InputError
        For missing columns, a wrong row, or a face read on one of the two photos alone.
    """
    rows = csv.DictReader(read_text(path).splitlines())
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise InputError(
            f"{path}: needs the columns {', '.join(COLUMNS)}; {missing[0]} is missing."
        )
    found: dict[int, dict[str, Any]] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        if row["photo"] not in PHOTOS:
            raise InputError(f"{where}: photo must be {', '.join(PHOTOS)}, got {row['photo']!r}.")
        if not (row["face"] or "").isdigit():
            raise InputError(
                f"{where}: face must be a number, 0 the largest, got {row['face']!r}."
            )
        name, reading = plain(row["attribute"], row["value"], where)
        reader = found.setdefault(int(row["face"]), {}).setdefault(row["reader"], {})
        reader.setdefault(name, {})[row["photo"]] = reading
    for face, readers in found.items():
        for reader, attributes in readers.items():
            for name, said in attributes.items():
                if not {"before", "after"} <= set(said):
                    raise InputError(
                        f"{path}: {reader} reads {name} of face {face} on one photo alone; give "
                        "before and after."
                    )
    return found
