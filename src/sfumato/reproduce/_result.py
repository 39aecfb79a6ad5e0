"""What an experiment found: our figures over the seeds beside the published ones."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sfumato.errors import InputError


@dataclass(frozen=True)
class Measured:
    """One figure: a value for each seed, and what was published.

    Parameters
    ----------
    values : tuple of float
    published : float, optional
    """

    values: tuple[float, ...]
    published: float | None = None

    def __post_init__(self):
        if not len(self.values) or not np.isfinite(self.values).all():
            raise InputError(f"values must be finite and at least one, got {self.values}.")

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> Any:
        """Sample standard deviation over the seeds; None for a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def __str__(self):
        text = f"{self.mean:.3f}"
        if self.deviation:  # None for one seed, 0 for what no seed changes
            text += f" ± {self.deviation:.3f}"
        return text if self.published is None else f"{text} ({self.published:.3f})"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "mean": self.mean,
            "deviation": self.deviation,
            "values": list(self.values),
            "published": self.published,
        }


@dataclass(frozen=True)
class Row:
    """One line of a table: the section it stands in, its name and its cells by column."""

    section: str
    name: str
    cells: dict[str, Measured]


@dataclass(frozen=True)
class Findings:
    """What an experiment's ``run`` returns.

    Parameters
    ----------
    rows : list of Row
    notes : list of str
        What the figures mean and where they depart from the publication.
    pictures : dict of str to matplotlib Figure
    """

    rows: list[Row]
    notes: list[str]
    pictures: dict = field(default_factory=dict)


def rows_of(figures: dict[Any, Any], published: dict[Any, Any] | None = None) -> list[Any]:
    """Return rows from figures by ``(section, name, column)``, in the order of their keys.

    Rows of a section stand together, sections in the order in which they first appear.

    Parameters
    ----------
    figures : dict of (str, str, str) to tuple of float
        As :meth:`~sfumato.reproduce.experiment.Context.over_seeds` gives.
    published : dict of (str, str, str) to float, optional

    Raises
    ------
    InputError
        If a published figure belongs to no row.

    Examples
    --------
    >>> (row,) = rows_of({("SVM", "gender", "before"): (0.9, 1.0)})
    >>> str(row.cells["before"])
    '0.950 ± 0.071'
    """
    published = published or {}
    lost = set(published) - set(figures)
    if lost:
        raise InputError(f"published figures without a row: {sorted(lost)}.")
    cells: dict[tuple[str, str], dict[str, Measured]] = {}
    for (section, name, column), values in figures.items():
        measured = Measured(tuple(values), published.get((section, name, column)))
        cells.setdefault((section, name), {})[column] = measured
    sections = list(dict.fromkeys(section for section, _ in cells))
    rows = [Row(section, name, row) for (section, name), row in cells.items()]
    return sorted(rows, key=lambda row: sections.index(row.section))


@dataclass(frozen=True)
class ExperimentResult:
    """An experiment's findings with what is needed to make them again.

    Parameters
    ----------
    name, title, source, shows : str
    findings : Findings
    preset : str
    seeds : tuple of int
    spaces : dict of str to str
        The embedding space of each table used.
    seconds : float
        Wall time without embedding.
    """

    name: str
    title: str
    source: str
    shows: str
    findings: Findings
    preset: str
    seeds: tuple[int, ...]
    spaces: dict[str, str]
    seconds: float

    @property
    def columns(self) -> Any:
        """All rows' columns, in the order in which they first appear."""
        return list(dict.fromkeys(name for row in self.findings.rows for name in row.cells))

    @property
    def tables(self) -> list[Any]:
        """The tables to show, a list of columns and rows; no two have a column in common.

        Such rows in one table would leave it half empty.
        """
        groups: list[set] = []
        for row in self.findings.rows:
            near = [group for group in groups if group & row.cells.keys()]
            groups = [group for group in groups if group not in near]
            groups.append(set(row.cells).union(*near))
        found: dict = {}
        for row in self.findings.rows:
            number = next(n for n, group in enumerate(groups) if group & row.cells.keys())
            found.setdefault(number, []).append(row)
        return [
            ([name for name in self.columns if name in groups[number]], rows)
            for number, rows in found.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        rows = [
            {
                "section": row.section,
                "name": row.name,
                "cells": {column: cell.to_dict() for column, cell in row.cells.items()},
            }
            for row in self.findings.rows
        ]
        return {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "shows": self.shows,
            "preset": self.preset,
            "spaces": self.spaces,
            "seconds": self.seconds,
            "seeds": list(self.seeds),
            "rows": rows,
            "notes": list(self.findings.notes),
            "pictures": list(self.findings.pictures),
        }
