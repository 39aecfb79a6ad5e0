"""The published figures, of which ``published.toml`` is the one home."""

import functools
import tomllib
from importlib.resources import files
from typing import Any


@functools.cache
def publications() -> dict[str, Any]:
    """Return what ``published.toml`` says of every published table and figure."""
    return tomllib.loads(files("sfumato.reproduce").joinpath("published.toml").read_text("utf-8"))


def published(name: str) -> dict[tuple[str, str, str], float]:
    """Return the figures of one published table by section, row and column.

    Parameters
    ----------
    name : str
        Of the table, as of the experiment that measures it.
    """
    return {
        (section, row, column): value
        for section, row, cells in publications()[name].get("values", [])
        for column, value in cells.items()
    }
