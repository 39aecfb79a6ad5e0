"""What an audit found, and its JSON form."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sfumato.audit import verdicts
from sfumato.audit._frames import frame_of
from sfumato.audit.matching import OO, PP
from sfumato.outcomes import SCHEMA_VERSION


@dataclass(frozen=True)
class AttackResult:
    """One attacker's figures on the test identities (fractions in [0, 1])."""

    attacker: str
    balanced_accuracy: float
    ci95: list
    advantage: float
    validation: float
    training: float
    parameters: dict
    converged: bool
    correct: np.ndarray = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        hidden = ("attacker", "correct")
        return {key: value for key, value in vars(self).items() if key not in hidden}

    def to_row(self) -> dict[str, Any]:
        """Return the figures as a table's row, the interval in two columns."""
        shown = ("attacker", "balanced_accuracy", "advantage", "validation", "training")
        found = {key: getattr(self, key) for key in (*shown, "converged")}
        return found | {"low": self.ci95[0], "high": self.ci95[1]}


@dataclass(frozen=True)
class Leakage:
    """All attackers on one version (raw or protected) of the embeddings.

    ``n_features`` is the rank of the rows, not the number of columns.
    """

    attacks: dict
    strongest: str
    n_features: int | None = None

    def __repr__(self):
        return f"<Leakage of {len(self.attacks)} attackers, strongest: {self.headline}>"

    @property
    def headline(self) -> Any:
        """The strongest attacker's result."""
        return self.attacks[self.strongest]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "strongest": self.strongest,
            "balanced_accuracy": self.headline.balanced_accuracy,
            "ci95": self.headline.ci95,
            "attackers": {name: attack.to_dict() for name, attack in self.attacks.items()},
        }


@dataclass(frozen=True)
class Audit:
    """The result of :func:`audit` for one attribute.

    Attributes
    ----------
    attribute : str
    classes : list of str
    chance : float
        ``1 / n_classes``.
    split : dict
        Rows and people of development and test, by class.
    before : Leakage
        Attackers on the raw embeddings.
    after : Leakage or None
        Attackers on the protected embeddings.
    reduction : dict or None
        ``value`` and ``ci95`` of the relative reduction; None where chance lies in the
        interval of the raw embeddings, so that nothing is there to reduce.
    matching : dict of str to Matching, or None
        Verification of the test people, see :func:`sfumato.audit.matching.match_all`.
    alarms : list of str
    seed : int
    structure : dict
        Counts of what is wrong with the rows, see :mod:`sfumato.audit._structure`: templates
        and people with near-identical ones under other names (``raw``, ``protected``), how
        protected rows fit the raw rows beside them (``order``), people with several labels
        (``labels``), people of one protected row (``merged``), ``names_on_both_sides``, and
        ``notes`` of counts too small for an alarm.
    floor : dict of str to Floor, or None
        What matching costs where the attribute helps to reject no impostor, see
        :mod:`sfumato.audit.floor`; None where matching is.
    learning : Learning or None
        Learning curves, see :mod:`sfumato.audit.learning`; None if they were not asked for.
    groups : dict of str to Grouping, or None
        Leakage and matching of groups of people, see :mod:`sfumato.audit.groups`.
    given : Given or None
        How much of the reading goes with labels known anyway, see :mod:`sfumato.audit.given`.
    rows : dict of ndarray
        What the report's pictures are drawn from: test embeddings, labels and identities.
    provenance : list of dict
        The tables audited, if the rows came from tables.
    reversal : Reversal or None
        What an attacker with pairs of other people turns back, see
        :mod:`sfumato.audit.reversal`; None without protected rows or without a threshold.
    unlinkability : Unlinkability or None
        How well other releases can be linked, if any were given.
    certificate : Certificate or None
        What no attacker exceeds, see :mod:`sfumato.audit.certificate`; None where all that is
        known are lower bounds.
    basis : dict of str to str, or None
        Why it was done, in the user's words: ``purpose``, ``necessity``, ``retention``.
    """

    attribute: str
    classes: list
    chance: float
    split: dict
    before: Leakage
    after: Leakage | None
    reduction: dict | None
    matching: dict | None
    alarms: list
    seed: int
    structure: dict = field(default_factory=dict)
    floor: dict | None = None
    learning: Any = None
    groups: dict | None = None
    given: Any = None
    rows: dict = field(repr=False, compare=False, default_factory=dict)
    provenance: list = field(default_factory=list)
    reversal: Any = None
    unlinkability: Any = None
    certificate: Any = None
    basis: dict | None = None

    @property
    def final(self) -> Any:
        """The leakage asked for: of the protected embeddings if given, else of the raw ones."""
        return self.after or self.before

    @property
    def attackers(self) -> list:
        """The names of all attackers; one with pairs attacks the protected embeddings alone."""
        return list(dict.fromkeys([*self.before.attacks, *self.final.attacks]))

    def to_dict(self) -> Any:
        """Return the JSON form, the schema of ``audit --json``."""
        result = {
            "schema_version": SCHEMA_VERSION,
            "classes": self.classes,
            "chance": self.chance,
            "strongest": self.final.strongest,
            "attackers": self.final.to_dict()["attackers"],
            "split": self.split,
            "seed": self.seed,
            "tables": self.provenance,
            "basis": self.basis,
            "alarms": self.alarms,
            "structure": self.structure,
            "certificate": self.certificate and self.certificate.to_dict(),
            "unlinkability": self.unlinkability and self.unlinkability.to_dict(),
            "learning": None if self.learning is None else self.learning.to_dict(),
            "verification": None
            if self.matching is None
            else {name: found.result for name, found in self.matching.items()},
            "floor": _json_by_name(self.floor),
            "groups": _json_by_name(self.groups),
            "given": self.given and self.given.to_dict(),
        }
        if self.after is not None:
            result |= {
                "before": self.before.to_dict(),
                "after": self.after.to_dict(),
                "reduction": self.reduction,
                "reversal": self.reversal and self.reversal.to_dict(),
            }
        return result

    def scores(self) -> dict[str, Any]:
        """Return genuine and impostor scores before and after; empty without matching."""
        if self.matching is None:
            return {}
        pairings = {"before": OO} | ({"after": PP} if self.after is not None else {})
        found = {side: self.matching[name].scores for side, name in pairings.items()}
        return {side: (each.genuine, each.impostor) for side, each in found.items()}

    def __repr__(self):
        return verdicts.in_brief(self)

    def __str__(self):
        return verdicts.summary(self)

    def _repr_html_(self):
        return verdicts.notebook_page(self)

    def plot(self, kind: str = "attackers") -> Any:
        """Return a Matplotlib figure: the attackers, the matching, its scores or t-SNE maps.

        Parameters
        ----------
        kind : {"attackers", "matching", "scores", "t-SNE"}, default="attackers"

        Raises
        ------
        InputError
            For another kind, or for matching where nobody was matched.
        """
        from sfumato.audit.plots import draw

        return draw(self, kind)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame, one row an attacker and side.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        sides = {"before": self.before} | ({"after": self.after} if self.after else {})
        rows = [
            {"attribute": self.attribute, "side": side, "chance": self.chance}
            | attack.to_row()
            | {"strongest": leakage.strongest == name}
            for side, leakage in sides.items()
            for name, attack in leakage.attacks.items()
        ]
        return frame_of(rows)

    def save(self, path: str | Path) -> None:
        """Write the report, one self-contained HTML page."""
        from sfumato.audit.report import write_report

        write_report([self], path)


def describe_split(train: Any, tested: Any) -> dict[str, Any]:
    """Return the rows and people of both parts, by class."""

    def describe(rows):
        classes, counts = np.unique(rows.y, return_counts=True)
        people = [len(np.unique(rows.identity[rows.y == value])) for value in classes]
        return {
            "n_rows": len(rows.y),
            "n_people": len(np.unique(rows.identity)),
            "rows_per_class": dict(zip(classes.tolist(), counts.tolist(), strict=True)),
            "people_per_class": dict(zip(classes.tolist(), people, strict=True)),
        }

    return {"development": describe(train), "test": describe(tested)}


def _json_by_name(found):
    return found and {name: each.to_dict() for name, each in found.items()}
