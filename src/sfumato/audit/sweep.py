"""Pareto sweeps: an eraser over its strength, leakage against the cost in matching."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from sfumato._constraints import FINITE, Each, check_argument
from sfumato.audit._rows import split_rows
from sfumato.audit.floor import MAX_RESAMPLES, floors_of
from sfumato.audit.protocol import audit
from sfumato.data.opening import open_table
from sfumato.data.selection import Selection
from sfumato.data.table_labels import Labels
from sfumato.errors import InputError
from sfumato.models.labelled import labelled_rows
from sfumato.models.tables import make_eraser
from sfumato.progress import Asked, told


@dataclass(frozen=True)
class Point:
    """One strength of an eraser; fractions in [0, 1], intervals of 95 % over identities.

    Parameters
    ----------
    value : float or None
        Of the eraser's parameter; None: the raw embeddings.
    leakage, leakage_ci95 : float, list
        Balanced accuracy of the strongest attacker.
    strongest : str
    fnmr, fnmr_ci95 : float, list
        FNMR at FMR 1e-3, protected against protected.
    eer : float
    alarms : list of str
    floor : dict or None
        The price floor and what this point costs as a multiple of it, see
        :class:`sfumato.audit.floor.Floor`.
    """

    value: float | None
    leakage: float
    leakage_ci95: list
    strongest: str
    fnmr: float
    fnmr_ci95: list
    eer: float
    alarms: list
    floor: dict | None = None

    def to_dict(self) -> Any:
        """Return the JSON form."""
        return asdict(self)


def sweep(
    eraser: Any,
    fit: dict[str, Any],
    rows: dict[str, Any],
    *,
    test: dict[str, Any] | None = None,
    values: list[Any] | None = None,
    metric: str = "cosine",
    progress: Asked = None,
    **options: Any,
) -> list[Point]:
    """Fit an eraser at several strengths and measure each, the raw embeddings first.

    Parameters
    ----------
    eraser : Eraser
        Unfitted; its class names the parameter in ``strength``.
    fit : dict
        Arguments of the eraser's ``fit``: ``X``, ``y`` and whatever else it takes.
    rows, test : dict
        ``X``, ``y`` and ``identity`` of people that the eraser does not see, for
        :func:`~sfumato.audit.protocol.audit`; with ``test`` the attackers train on ``rows`` and
        are tested on these.
    values : list, optional
        Strengths; default those of the class, weakest first.
    metric : str, default="cosine"
        Of the raw embeddings, and of the protected ones unless the eraser has its own.
    progress : callable, False or None, default=None
        Called as ``progress(n_done, n_total, what)``; None shows a bar where somebody looks,
        False none, see :mod:`sfumato.progress`.
    **options
        Passed to the audit: ``attackers``, ``max_train_rows``, ``n_resamples``, ``seed``, and
        ``curve``, here False by default.

    Returns
    -------
    list of Point
        The first is that of the raw embeddings.

    Raises
    ------
    InputError
        If the eraser has no strength, or ``identity`` is missing.
    """
    if values is not None:
        check_argument(values, Each(FINITE), "values")
    if eraser.strength is None:
        raise InputError(f"{type(eraser).__name__} has no strength to sweep over.")
    parameter, default = eraser.strength
    for name, side in {"rows": rows, "test": test}.items():
        if side is not None and side.get("identity") is None:
            raise InputError(f"{name} needs identity: matching cannot be measured without people.")
    values = list(default if values is None else values)
    points = []
    with told(progress, "sweep") as tell:
        for number, value in enumerate([None, *values]):
            if tell is not None:
                what = "raw" if value is None else f"{parameter} = {value}"
                tell(number, len(values) + 1, what)
            transform, used = None, metric
            if value is not None:
                fitted = clone(eraser).set_params(**{parameter: value}).fit(**fit)
                transform, used = fitted.transform, fitted.metric or metric
            options |= {"metric": used, "raw_metric": metric}
            points.append(measure_point(value, transform, rows, test, **options))
    return points


def measure_point(
    value: Any,
    transform: Any,
    rows: Any,
    test: Any = None,
    *,
    metric: str = "cosine",
    raw_metric: str | None = None,
    **options: Any,
) -> Point:
    """Return the :class:`Point` of rows protected by ``transform``, or raw ones for None.

    Parameters are those of :func:`sweep`; ``metric`` is that of the protected rows,
    ``raw_metric`` that of the raw ones, the same by default.
    """
    through = _through(rows, transform), _through(test, transform)
    found = audit(**through[0], test=through[1], metric=metric, **{"curve": False} | options)
    if found.matching is None:
        raise InputError("the test people have no two rows of one person; give more rows.")
    seed = options.get("seed", 0)
    _, raw = split_rows(rows, test, options.get("test_share", 0.3), seed=seed)
    if transform is not None:
        raw = replace(raw, protected=found.rows["X"])
    metrics = {"X": raw_metric or metric, "protected": metric}
    n_resamples = options.get("n_resamples", MAX_RESAMPLES)
    floor = floors_of(raw, found.attribute, metrics, n_resamples, seed)[found.attribute]
    headline = found.before.headline
    matched = found.matching["original-original"].result
    tmr = matched["tmr_at_fmr"]
    interval = tmr["ci95"] or [tmr["value"], tmr["value"]]
    return Point(
        value=value,
        leakage=headline.balanced_accuracy,
        leakage_ci95=list(headline.ci95),
        strongest=found.before.strongest,
        fnmr=1 - tmr["value"],
        fnmr_ci95=[1 - interval[1], 1 - interval[0]],
        eer=matched["eer"]["value"],
        alarms=found.alarms,
        floor=floor.to_dict(),
    )


def sweep_table(
    method: Any,
    table: Any,
    attribute: Any,
    *,
    values: list[Any] | None = None,
    context: Sequence[Any] = (),
    parameters: Any = None,
    seed: int = 0,
    **options: Any,
) -> tuple[str, float, list[Point]]:
    """Sweep an eraser over its strength: fitted on half of the people, attacked on the others.

    Parameters
    ----------
    method, table, attribute, context, parameters
        As for :func:`sfumato.models.tables.fit_table`.
    values : list, optional
        Strengths; default those of the method.
    seed : int, default=0
        Of the split and of the audit.
    **options
        Passed to :func:`sweep`.

    Returns
    -------
    parameter : str
    chance : float
    points : list of Point
    """
    table = open_table(table).require("embedding", "identity", attribute, *context).check_ids()
    eraser = make_eraser(method, parameters or {})
    classes = Labels([table], [attribute])
    halves = {
        half: labelled_rows(table, [attribute], context, Selection(half=half, seed=seed), 0)
        for half in ("eraser", "attacker")
    }
    X, y, identity, labels = halves["eraser"]
    fit = {"X": X, "y": classes.classes({attribute: y[:, 0]}), "identity": identity}
    if context and "context" not in eraser.uses:
        raise InputError(f"{method} takes no context; leave it out.")
    fit |= {"context": labels} if context else {}
    X, y, identity, _ = halves["attacker"]
    y = classes.classes({attribute: y[:, 0]})[:, 0].astype(str)
    rows = {"X": X, "y": y, "identity": identity}
    options |= {"metric": table.info.metric, "seed": seed, "attribute": attribute}
    points = sweep(eraser, fit, rows, values=values, **options)
    return eraser.strength[0], 1 / len(np.unique(y)), points


def pick(points: Any, max_fnmr: Any) -> Any:
    """Return the point of least leakage whose FNMR at FMR 1e-3 is at most ``max_fnmr``.

    Raises
    ------
    InputError
        If none is that good, naming the best.
    """
    within = [point for point in points if point.fnmr <= max_fnmr]
    if not within:
        best = min(point.fnmr for point in points)
        raise InputError(
            f"no strength has an FNMR at FMR 1e-3 of at most {max_fnmr}; the lowest is {best:.4f}."
        )
    return min(within, key=lambda point: point.leakage)


def pareto(points: Any) -> Any:
    """Return the points that no other beats in both leakage and FNMR, by rising FNMR."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.fnmr, p.leakage)):
        if not front or point.leakage < front[-1].leakage:
            front.append(point)
    return front


def draw_sweep(points: Any, parameter: Any, chance: Any) -> Any:
    """Return a figure: leakage against FNMR, one labelled point a strength."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    front = pareto(points)
    axes.plot([p.fnmr for p in front], [p.leakage for p in front], color="tab:blue", lw=1)
    for point in points:
        low = [[v - c[0]] for v, c in _pairs(point)]
        high = [[c[1] - v] for v, c in _pairs(point)]
        axes.errorbar(
            [point.fnmr], [point.leakage], xerr=[low[0], high[0]], yerr=[low[1], high[1]],
            fmt="o", color="tab:blue", ecolor="lightgrey",
        )  # fmt: skip
        label = "raw" if point.value is None else f"{point.value}"
        axes.annotate(label, (point.fnmr, point.leakage), (4, 4), textcoords="offset points")
    axes.axhline(chance, color="grey", ls=":", lw=1)
    axes.set(
        xlabel="FNMR at FMR 1e-3",
        ylabel="balanced accuracy of the strongest attacker",
        title=f"Leakage against matching over {parameter}",
    )
    return figure


def _pairs(point):
    return (point.fnmr, point.fnmr_ci95), (point.leakage, point.leakage_ci95)


def _through(side, transform):
    if side is None or transform is None:
        return side
    return side | {"X": transform(side["X"])}
