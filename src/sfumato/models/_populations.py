"""Which population a row of a face table belongs to: a column says so, or the table itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data.tables import FaceTable
from sfumato.errors import InputError

#: By which every table is a population.
TABLE = "table"


def check_population(tables: Sequence[FaceTable], population: str | None) -> None:
    """Refuse a column that a table lacks, and tables as populations where there is one."""
    if population == TABLE and len(tables) < 2:
        raise InputError(
            f"population {TABLE}: there is one table, {tables[0].path.name}; add another by also, "
            "or name a column."
        )
    if population not in (None, TABLE):
        for table in tables:
            table.require(population)


def columns_to_read(context: Sequence[str], population: str | None) -> list[str]:
    """Return the label columns to read beside the attributes; the population's comes last."""
    return [*context] if population in (None, TABLE) else [*context, population]


def fit_options(
    labels: NDArray[np.object_], context: Sequence[str], population: str | None
) -> dict[str, Any]:
    """Return ``context`` and ``population`` for :meth:`~sfumato.erasers.base.Eraser.fit`.

    Parameters
    ----------
    labels : ndarray of object of shape (n_samples, n_labels)
        The columns of :func:`columns_to_read`, then the table of each row.
    context : list of str
    population : str or None
    """
    options: dict[str, Any] = {}
    if context:
        options["context"] = np.delete(labels, slice(len(context), -1), axis=1)
    if population is not None:
        options["population"] = labels[:, -1 if population == TABLE else len(context)]
    return options
