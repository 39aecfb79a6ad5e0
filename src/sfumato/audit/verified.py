"""What a verification found, in one shape with and without protected templates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from sfumato.audit._frames import frame_of
from sfumato.audit._grouping import Grouping
from sfumato.audit.matching import OO


@dataclass(frozen=True, eq=False)
class Verification(Mapping):
    """How well people can be recognised, by the templates that are compared.

    Parameters
    ----------
    matchings : dict of str to dict
        ``original-original`` and, with protected templates, ``protected-protected``,
        ``original-protected`` and ``protected-original``: the figures of each.
    n_missing : int
        Listed pairs of which an image is not in the table.
    floor : dict
        By attribute what matching costs where it helps to reject no impostor, see
        :mod:`sfumato.audit.floor`; empty where no attribute was named.
    groups : dict of str to Grouping
        Error rates of groups of people at one threshold, see :mod:`sfumato.audit.groups`; empty
        where none were asked for.

    Notes
    -----
    For one more version it can be read like the dict that ``verify`` returned before: without
    protected templates the figures themselves, with them one dict a matching.
    """

    matchings: dict[str, dict[str, Any]]
    n_missing: int = 0
    floor: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, Grouping] = field(default_factory=dict)

    @property
    def raw(self) -> dict[str, Any]:
        """The figures of raw templates."""
        return self.matchings[OO]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = {"matchings": self.matchings, "n_missing": self.n_missing}
        return found | self._extras()

    def _extras(self):
        groups = {name: grouping.to_dict() for name, grouping in self.groups.items()}
        return {key: each for key, each in (("floor", self.floor), ("groups", groups)) if each}

    def to_frame(self) -> Any:
        """Return a pandas DataFrame, one row a matching.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        return frame_of(self._rows())

    def _rows(self):
        rows = []
        for name, found in self.matchings.items():
            row: dict[str, Any] = {"matching": name}
            for figure in ("eer", "tmr_at_fmr", "accuracy"):
                row[figure] = None if found[figure] is None else found[figure]["value"]
            rows.append(row | {key: found[key] for key in ("n_genuine", "n_impostor")})
        return rows

    def _repr_html_(self):
        rows = self._rows()
        head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>"
            for row in rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"

    def _former(self):
        """Return the dict of former versions."""
        missing = {"n_missing": self.n_missing}
        reports = {name: found | missing for name, found in self.matchings.items()}
        former = dict(reports[OO]) if len(reports) == 1 else reports | missing
        return former | self._extras()

    def __getitem__(self, key: str) -> Any:
        return self._former()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._former())

    def __len__(self) -> int:
        return len(self._former())


def _cell(value):
    return f"{value:.4f}" if isinstance(value, float) else escape(str(value))
