"""What is found of groups of people, and its JSON form."""

from dataclasses import dataclass, field
from typing import Any

from sfumato.audit.floor import Measured


@dataclass(frozen=True)
class Group:
    """One group's figures.

    Attributes
    ----------
    name : str
    n_rows, n_people, n_genuine, n_impostor : int
        Pairs within the group.
    few : bool
        Fewer than 30 people: its figures are unstable.
    before, after, change : dict of str to Measured or None
        ``leakage``, ``fmr``, ``fnmr``, ``genuine_shift`` and ``impostor_shift`` (mean score less
        that of all pairs, in their standard deviations), of raw and protected templates, and
        the paired difference; a refused one is None. ``after`` and ``change`` are empty
        without protection.
    notes : list of str
        Why figures were refused.
    """

    name: str
    n_rows: int
    n_people: int
    n_genuine: int
    n_impostor: int
    few: bool
    before: dict
    after: dict
    change: dict
    notes: list

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {key: _plain(value) for key, value in vars(self).items()}


@dataclass(frozen=True)
class Grouping:
    """The groups of one label, or of several crossed, and how far they are apart.

    Attributes
    ----------
    by : str
    fmr : float or None
        Over all impostors, where the threshold of all groups lies; None without matching.
    threshold : dict of str to float
        ``before`` and ``after``.
    groups : list of Group
    apart : dict of str to dict
        ``before`` and ``after``: of ``fmr`` and ``fnmr`` the ``worst`` group, ratios and Gini
        coefficient; GARBE, FDR and inequity rate. Over the groups that have both rates.
    refused : dict of str to int
        Groups of fewer than 10 people and their number.
    notes : list of str
    """

    by: str
    fmr: float | None
    threshold: dict
    groups: list
    apart: dict
    refused: dict
    notes: list = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = vars(self) | {"groups": [group.to_dict() for group in self.groups]}
        return found | {"apart": _plain(self.apart)}

    def alarms(self) -> list[str]:
        """Return a sentence for each figure that falls in some groups and rises in others."""
        found = []
        for figure, name in {"leakage": "leakage", "fnmr": "FNMR", "fmr": "FMR"}.items():
            falls, rises = [], []
            for group in self.groups:
                change = group.change.get(figure)
                if change is not None and change.ci95[1] < 0:
                    falls.append(group.name)
                if change is not None and change.ci95[0] > 0:
                    rises.append(group.name)
            if falls and rises:
                found.append(
                    f"By {self.by}, protection helps some and harms others: {name} falls among "
                    f"{', '.join(falls)} and rises among {', '.join(rises)}."
                )
        return found


def _plain(value):
    if isinstance(value, Measured):
        return value._asdict()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
