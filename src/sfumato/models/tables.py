"""Fit an eraser on face tables."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfumato._constraints import Instance, Optional, check_argument
from sfumato.data.files import full_name
from sfumato.data.info import check_same_space, unknown_origin
from sfumato.data.labels import class_codes, is_missing
from sfumato.data.opening import open_table
from sfumato.data.selection import Selection, selected_batches
from sfumato.data.table_labels import Labels, check_attributes
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.models._context import context_columns, said_rules
from sfumato.models._populations import (
    check_population,
    columns_to_read,
    fit_options,
)
from sfumato.models.files import save
from sfumato.models.fitted_people import FittedPeople
from sfumato.models.labelled import labelled_rows
from sfumato.models.read_table import ReadTable, open_reader
from sfumato.models.registry import eraser_class
from sfumato.models.saved_model import SavedModel
from sfumato.models.unlabelled import Read, open_unlabelled
from sfumato.progress import Asked, told
from sfumato.readers.templates import TemplateReader

_PATH, _SOME = Instance(str, os.PathLike), Instance(list, tuple)
#: Rules of :func:`fit_table`; of lists their type alone, as they may be empty.
_RULES: dict[str, Any] = {
    "output": _PATH,
    "also": _SOME,
    "context": _SOME,
    "population": Optional(Instance(str)),
    "unlabelled": _SOME,
    "labels_from": Optional(Instance(str, os.PathLike, TemplateReader)),
    "parameters": Optional(Instance(Mapping)),
    "selection": Optional(Instance(Selection)),
}


def fit_table(
    method: str,
    table: str | Path | FaceTable,
    attributes: list[str],
    output: str | Path,
    *,
    also: Sequence[Any] = (),
    context: Sequence[str] = (),
    population: str | None = None,
    unlabelled: Sequence[Any] = (),
    labels_from: Any = None,
    parameters: dict[str, Any] | None = None,
    selection: Selection | None = None,
    progress: Asked = None,
) -> SavedModel:
    """Fit an eraser on rows of one face table or several, and save it.

    Parameters
    ----------
    method : str
        Of :data:`sfumato.models.registry.ERASERS`.
    table : str, Path or FaceTable
    attributes : list of str
        Label columns; rows where one is missing are left out.
    output : str or Path
        The model's file.
    also : list of (str, Path or FaceTable), default=()
        More tables with embeddings of the same encoder and the same labels.
    context : list of str, default=()
        Columns of other labels, for erasers that use ``context``; a table may lack
        some of them. With several tables the table itself is one more. ``["all"]``: see
        :mod:`sfumato.models._context`.
    population : str, optional
        For erasers that use ``population``: the column that names each row's, which every table
        has, or ``"table"``, by which every table is one.
    unlabelled : list of (str, Path or FaceTable), default=()
        For erasers that use ``population``: more tables, whose labels are read by a classifier of
        the others, see :mod:`sfumato.models.unlabelled`.
    labels_from : str, Path or TemplateReader, optional
        Reads the attributes off the embeddings, whatever columns there are: ``"reader"`` (the
        bundled one of the encoder) or a reader, see :mod:`sfumato.models.read_table`.
    parameters : dict, optional
        Of the eraser's constructor.
    selection : Selection, optional
        Which rows; a rule may name a table, see
        :func:`~sfumato.data.selection_rules.rules_of`. Default the eraser's half of the people,
        so that an audit of the same table has people the eraser never saw.
    progress : callable, False or None, default=None
        Called as ``progress(n_done, n_total, what)``; None shows a bar where somebody looks,
        False none, see :mod:`sfumato.progress`.

    Returns
    -------
    SavedModel
    """
    given = {
        "output": output,
        "also": also,
        "context": context,
        "population": population,
        "unlabelled": unlabelled,
        "labels_from": labels_from,
        "parameters": parameters,
        "selection": selection,
    }
    for name, rule in _RULES.items():
        check_argument(given[name], rule, name)
    check_attributes(attributes)
    tables = [open_table(t) for t in (table, *also)]
    if labels_from is not None:
        reader = open_reader(labels_from, tables[0])
        tables = [ReadTable(each.path, reader, attributes) for each in tables]
    table, selection = tables[0], selection or Selection(half="eraser")
    for each in tables:
        check_same_space(each.info, table.info, table=each.path, model=table.path.name)
        each.require("embedding", *attributes).check_ids()
    eraser = make_eraser(method, parameters or {})
    strangers = open_unlabelled(unlabelled, table)
    _refuse_copies([*tables, *strangers])
    selections = selection.each([*tables, *strangers])
    for each, rules in zip((*tables, *strangers), selections, strict=True):
        rules.check(each)
    context, left_out = context_columns(
        context, [*tables, *strangers], attributes, population, selections
    )
    for what, used, asked in (
        ("context", "context", context),
        ("unlabelled tables", "population", strangers),
        ("population", "population", population),
    ):
        if asked and used not in eraser.uses:
            raise InputError(f"{method} takes no {what}; leave it out.")
    check_population([*tables, *strangers], population)
    labels = Labels(tables, attributes)
    fitter, read, people = eraser.fitter(labels.continuous), [], FittedPeople()
    try:
        with told(progress, f"fit {method}") as tell:
            if fitter is not None:
                n_rows = _fit_streaming(fitter, tables, labels, selections, people, tell)
            else:
                n_rows, read = _fit_whole(
                    eraser,
                    tables,
                    strangers,
                    labels,
                    context,
                    population,
                    selections,
                    people,
                    tell,
                )
        treated = people.check_numbers(eraser, labels)
    except InputError as error:
        # Numbers that stand as text are so many classes that few erasers can be fitted.
        raise InputError(" ".join([str(error), *labels.numbers])) from error
    fitted_on = {
        "source": table.info.source,
        "also": [each.info.source for each in tables[1:]],
        "rows": selection.describe(),
        "where": said_rules(selection, selections),
        "half": selection.half,
        "seed": selection.seed,
        "n_rows": n_rows,
    }
    fitted_on |= {"population": population} if population else {}
    fitted_on |= {"context": context} if context else {}
    fitted_on |= {"populations": people.populations(tables, read, population)}
    fitted_on |= {"treated": treated} if treated else {}
    read = [*(each for each in tables if isinstance(each, ReadTable)), *read]
    fitted_on |= {"read": [reading.to_dict() for reading in read]} if read else {}
    hints = [*labels.hints, *left_out, *(str(reading) for reading in read)]
    hints += [*(f"{note}." for note in unknown_origin(table.info, table.path.name))]
    fitted_on |= {"hints": hints} if hints else {}
    model = SavedModel(
        eraser, tuple(attributes), table.info, fitted_on, likeness=people.likeness(labels)
    )
    save(model, output)
    return model


def _refuse_copies(tables):
    names = [full_name(table.path) for table in tables if table.files]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is given twice, so its rows would count double.")


def make_eraser(method: Any, parameters: Any) -> Any:
    """Return an unfitted eraser; an unknown parameter is refused with the list of known ones."""
    eraser = eraser_class(method)()
    known = eraser.get_params()
    for name in parameters:
        if name not in known:
            raise InputError(
                f"{method} has no parameter {name!r}; it has {', '.join(known) or 'none'}."
            )
    return eraser.set_params(**parameters)


def _fit_streaming(fitter, tables, labels, selections, people, progress):
    n_rows = 0
    names = labels.names
    for number, (table, rules) in enumerate(zip(tables, selections, strict=False)):
        for batch, X in selected_batches(table, rules, names):
            y = np.stack([_objects(batch.column(name)) for name in names], axis=1)
            known = ~is_missing(y).any(axis=1)
            if known.any():
                fitter.partial_fit(X[known], y[known])
                who = _objects(batch.column("identity" if "identity" in table.columns else 0))
                people.add(X[known], y[known], who[known], f"table {number}")
            n_rows += int(known.sum())
            if progress is not None:
                progress(n_rows, None, "rows used")
    if not n_rows:
        raise InputError(f"{tables[0].path}: no row with {' and '.join(names)} is left.")
    fitter.finish()
    return n_rows


def _objects(column):
    return column.to_numpy(zero_copy_only=False).astype(object)


def _fit_whole(
    eraser, tables, strangers, labels, context, population, selections, people, progress
):
    """Fit on all rows at once; return how many there were, and what was read of which table."""
    wanted = columns_to_read(context, population)
    rows = [
        labelled_rows(table, labels.names, wanted, selections[n], n)
        for n, table in enumerate(tables)
    ]
    X, y, identity, others = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    if not len(X):
        raise InputError(f"{tables[0].path}: no row with {' and '.join(labels.names)} is left.")
    numbers = y
    # Groups of continuous numbers are those of all tables together.
    y = labels.classes(dict(zip(labels.names, y.T, strict=True)), eraser.n_groups).astype(str)
    for name, column in zip(labels.names, y.T, strict=True):
        class_codes(column, name)
    read: list[Read] = []
    named = any("identity" in table.columns for table in tables)
    known = (X, y, identity if named else None)
    parts: list[tuple[Any, ...]] = [(X, y, identity, others)]
    for n, stranger in enumerate(strangers, len(tables)):
        own, _, *rest = labelled_rows(stranger, [], wanted, selections[n], n)
        found = Read.of(stranger, labels.names, known, own)
        read.append(found)
        parts.append((own, found.labels, *rest))
    X, y, identity, others = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    more = fit_options(others, context, population)
    if any("identity" in table.columns for table in (*tables, *strangers)):
        more["identity"] = identity
    eraser.fit(X, y, progress=progress, **more)
    unread = np.full((len(y) - len(numbers), y.shape[1]), None, dtype=object)
    groups = more.get("population", others[:, -1])
    people.add(X, np.concatenate([numbers, unread]), identity, groups, classes=y)
    return len(X), read
