"""Rows of a face table with everything that a fit wants to know of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data.labels import is_missing
from sfumato.data.selection import Selection, check_people, read_rows
from sfumato.data.tables import FaceTable


def labelled_rows(
    table: FaceTable,
    attributes: Sequence[str],
    context: Sequence[str],
    selection: Selection,
    number: int,
) -> tuple[NDArray[Any], NDArray[np.object_], NDArray[np.str_], NDArray[np.object_]]:
    """Return the picked rows of a table on which every attribute is known.

    Parameters
    ----------
    table : FaceTable
    attributes, context : list of str
        Label columns; the table may lack some of ``context``. There may be none.
    selection : Selection
    number : int
        The table's number among several, part of its people's names.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of object of shape (n_samples, n_attributes)
        As they stand in the table, see :class:`Labels`.
    identity : ndarray of str of shape (n_samples,)
    labels : ndarray of object of shape (n_samples, n_context + 1)
        ``None`` where missing; the last column names the table.
    """
    present = [name for name in context if name in table.columns]
    columns, X = read_rows(table, selection, [*attributes, *present])
    y = np.empty((len(X), len(attributes)), dtype=object)
    for place, name in enumerate(attributes):
        y[:, place] = columns[name]
    known = ~is_missing(y).any(axis=1)
    # People of two tables are different people; without names every row is a person.
    who = columns.get("identity", np.arange(len(X)))
    check_people(table, columns["image_id"], who)
    identity = np.array([f"{number} {name}" for name in who.tolist()])
    labels = np.full((len(X), len(context) + 1), None, dtype=object)
    for place, name in enumerate(context):
        if name in present:
            labels[:, place] = columns[name]
    labels[:, -1] = f"table {number}"
    return X[known], y[known], identity[known], labels[known]
