"""Compare erasers: each fitted on the same people, each attacked on the same others."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from sfumato.audit._frames import frame_of
from sfumato.audit.matching import OO, PP
from sfumato.audit.protocol import audit
from sfumato.audit.result import Audit
from sfumato.data.labels import as_classes, as_text, is_continuous, is_missing
from sfumato.data.opening import open_table
from sfumato.data.selection import Selection, check_people, read_rows
from sfumato.data.table_labels import check_attributes
from sfumato.erasers.base import Eraser
from sfumato.errors import InputError
from sfumato.models.registry import eraser_class
from sfumato.progress import Asked, told

RAW = "none (raw)"


@dataclass(frozen=True)
class Comparison:
    """What attackers read after each of several erasers, and what matching costs.

    Parameters
    ----------
    attribute : str
    chance : float
        ``1 / n_classes``.
    audits : dict of str to Audit
        By the erasers' names.
    """

    attribute: str
    chance: float
    audits: Mapping[str, Audit] = field(repr=False)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row an eraser, raw embeddings first, then the least leakage first."""
        first = next(iter(self.audits.values()))
        found = [_row(name, each.after, each.matching, PP) for name, each in self.audits.items()]
        found.sort(key=lambda row: row["balanced_accuracy"])
        return [_row(RAW, first.before, first.matching, OO), *found]

    @property
    def alarms(self) -> list[str]:
        """What speaks against the figures: of all erasers, then of some, by their names."""
        said: dict[str, list[str]] = {}
        for name, each in self.audits.items():
            for alarm in each.alarms:
                said.setdefault(alarm, []).append(name)
        everybody = [alarm for alarm, names in said.items() if len(names) == len(self.audits)]
        some = [
            f"{', '.join(map(str, names))}: {alarm}"
            for alarm, names in said.items()
            if len(names) < len(self.audits)
        ]
        return everybody + some

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = {"attribute": self.attribute, "chance": self.chance, "erasers": self.rows}
        return found | {"alarms": self.alarms}

    def to_frame(self) -> Any:
        """Return a pandas DataFrame, one row an eraser.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        return frame_of(self.rows)

    def plot(self) -> Any:
        """Return a Matplotlib figure: leakage of each eraser with its interval, and chance."""
        from matplotlib.figure import Figure

        rows = self.rows[::-1]
        figure = Figure(figsize=(7, 1 + 0.4 * len(rows)), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(rows))
        values = np.array([row["balanced_accuracy"] for row in rows])
        ends = np.array([[row["low"], row["high"]] for row in rows]).T
        axes.errorbar(values, places, xerr=np.abs(ends - values), fmt="o", capsize=3)
        axes.axvline(self.chance, linestyle="--", color="0.5")
        axes.set_yticks(places, [row["eraser"] for row in rows])
        axes.set_xlabel(f"{self.attribute}: balanced accuracy of the strongest attacker")
        return figure

    def __str__(self):
        lines = [f"{self.attribute} (chance {self.chance:.2f})"]
        lines += [
            f"  {row['eraser']}: {row['balanced_accuracy']:.3f} "
            f"[{row['low']:.3f}, {row['high']:.3f}], {row['strongest']}"
            + ("" if row["eer"] is None else f"; EER {row['eer']:.4f}")
            for row in self.rows
        ]
        lines += [f"  Alarm: {alarm}" for alarm in self.alarms]
        return "\n".join(lines)

    def _repr_html_(self):
        rows = self.rows
        head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>"
            for row in rows
        )
        title = f"{escape(self.attribute)}, chance {self.chance:.2f}"
        said = "".join(f"<p>Alarm: {escape(alarm)}</p>" for alarm in self.alarms)
        return f"<table><caption>{title}</caption><tr>{head}</tr>{body}</table>{said}"


def compare(
    erasers: Mapping[str, Any],
    table: Any,
    attribute: str,
    *,
    attackers: Sequence[Any] | None = None,
    seed: int = 0,
    progress: Asked = None,
    **options: Any,
) -> Comparison:
    """Fit erasers on half of the people of a table, and audit each on the same others.

    Parameters
    ----------
    erasers : dict of str to object
        By the name to show: an object with ``fit(X, y)`` and ``transform(X)``, which stays as it
        is, or the name of a registered eraser, taken with its defaults.
    table : FaceTable, path or table
        As for :func:`sfumato.data.opening.open_table`.
    attribute : str
        A label column; rows where it is missing are left out.
    attackers : sequence, optional
        Default: all of the audit's.
    seed : int, default=0
        Of the split into halves, and of the audit.
    progress : callable or bool, optional
        As for :func:`sfumato.audit.protocol.audit`.
    **options
        Passed to :func:`sfumato.audit.protocol.audit`.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        Without erasers, for an object that is none, or one whose output does not fit.
    """
    if not isinstance(erasers, Mapping) or not erasers:
        raise InputError(f"erasers must be a dict of at least one eraser, got {erasers!r}.")
    _refuse_twins(erasers)
    made = {name: _made(name, eraser) for name, eraser in erasers.items()}
    table = open_table(table)
    fit, held_out = (_half(table, attribute, half, seed) for half in ("eraser", "attacker"))
    audits = {}
    with told(progress, "compare") as tell:
        for number, (name, eraser) in enumerate(made.items()):
            if tell is not None:
                tell(number, len(made), name)
            _fit(eraser, fit)
            audits[name] = audit(
                held_out["X"],
                _classes(held_out["y"], attribute),
                identity=held_out["identity"],
                protected=_transform(name, eraser, held_out["X"]),
                attribute=attribute,
                metric=table.info.metric,
                protected_metric=getattr(eraser, "metric", None),
                attackers=None if attackers is None else list(attackers),
                seed=seed,
                **options,
            )
    return Comparison(attribute, next(iter(audits.values())).chance, audits)


def _refuse_twins(erasers):
    seen: list[Any] = []
    for name, eraser in erasers.items():
        for other, known in seen:
            if eraser is known or isinstance(eraser, str) and eraser == known:
                raise InputError(f"erasers: {other} and {name} are one eraser; name each once.")
        seen.append((name, eraser))


def _made(name, eraser):
    if isinstance(eraser, str):
        return eraser_class(eraser)()
    missing = [part for part in ("fit", "transform") if not hasattr(eraser, part)]
    if isinstance(eraser, type) or missing:
        raise InputError(
            f"{name} must be an object with fit and transform, or a method's name, got {eraser!r}."
        )
    return copy.deepcopy(eraser)


def _half(table, attribute, half, seed):
    """Return the rows of half of the people whose attribute is known."""
    check_attributes([attribute])
    labels = [attribute, *(["identity"] if "identity" in table.columns else [])]
    columns, X = read_rows(table, Selection(half=half, seed=seed), labels)
    known = ~is_missing(columns[attribute])
    identity = columns.get("identity")
    if identity is not None:
        check_people(table, columns["image_id"], identity)
        identity = identity[known]
    return {"X": X[known], "y": columns[attribute][known], "identity": identity}


def _classes(values, name):
    return as_classes(values, name) if is_continuous(values) else as_text(values)


def _fit(eraser, rows):
    if isinstance(eraser, Eraser):
        eraser.fit(rows["X"], rows["y"], identity=rows["identity"])
    else:
        eraser.fit(rows["X"], rows["y"])


def _transform(name, eraser, X):
    P = np.asarray(eraser.transform(X))
    if P.ndim != 2 or len(P) != len(X):
        raise InputError(
            f"{name}: transform must return one row a row, {len(X)} x n, got shape {P.shape}."
        )
    return P


def _row(name, leakage, matching, pairing):
    attack = leakage.headline
    return {
        "eraser": name,
        "balanced_accuracy": attack.balanced_accuracy,
        "low": attack.ci95[0],
        "high": attack.ci95[1],
        "strongest": leakage.strongest,
        "eer": matching[pairing].result["eer"]["value"] if matching else None,
    }


def _cell(value):
    return f"{value:.4f}" if isinstance(value, float) else escape(str(value))
