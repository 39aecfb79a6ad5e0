"""Erasers over their strength, gender: leakage against the cost in verification."""

import functools
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sfumato.audit.plots import CLASSES, INK, STYLE
from sfumato.audit.sweep import Point, measure_point, pareto
from sfumato.models.registry import eraser_class
from sfumato.reproduce._recorded import RECORDED
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.erasers_leaderboard import ACROSS, BRIEF, RAW, Gender, fitted
from sfumato.reproduce.experiment import Experiment

# Those whose fit takes a minute or two, at strengths that span their range.
METHODS = {
    "barycentre": (0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.24),
    "barycentre, 5 steps": (0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24),
    "ive": (10, 20),
    "cosine-noise": (0.9, 0.6, 0.4, 0.2),
    "ldp-noise": (300.0, 100.0, 30.0),
    "negative-face": (4,),
    "pe-miu": (32,),
    "pfrnet": (100.0,),
    "hsic": (300.0,),
}
# Erasers under another name with other parameters than the defaults: more steps, and more of the
# within-person covariance in Eq. 4, which pays for a larger budget.
VARIANTS = {"barycentre, 5 steps": ("barycentre", {"n_steps": 5, "within": 3.0})}
QUICK = {"barycentre": (0.0, 0.12), "cosine-noise": (0.9, 0.4)}
MAX_TRAIN = 3_000
COLUMNS = ("strongest", "low", "high", "FNMR@1e-3", "FNMR low", "FNMR high", "EER")
VIEW2 = "EER view 2"


def run(context: Any) -> Findings:
    """Fit every eraser at every strength, attack it in domain and across data sets."""
    data = Gender.read(context)
    methods = context.pick(QUICK, METHODS)
    points: dict = {section: {} for section in data.matched}
    options: dict = {
        "attackers": context.pick(
            ["logistic regression", "quadratic discriminant"], list(RECORDED)
        ),
        "max_train_rows": context.pick(400, MAX_TRAIN),
        "n_resamples": context.pick(20, 200),
    }

    def measure(seed):
        figures: dict = {}
        fit_rows = functools.cache(lambda: data.fit_rows(seed))
        for method, values in {RAW: (None,), **methods}.items():
            for value in values:
                name = method if value is None else f"{method} {value:g}"
                context.say(name)
                cell = functools.partial(
                    _measure, context, data, fit_rows, method, value, seed, options
                )
                found = context.once(f"{name}, seed {seed}", cell)
                for section in data.matched:
                    own = {column: v for (where, column), v in found.items() if where == section}
                    points[section].setdefault(method, []).append(_point(value, own))
                    figures |= {(section, name, column): own[column] for column in COLUMNS}
                    if section == ACROSS:
                        figures[section, name, VIEW2] = own[VIEW2]
        return figures

    rows = rows_of(context.over_seeds(measure))
    notes = [*data.notes[:1], *_about(methods, options["max_train_rows"])]
    notes += [_front(section, found) for section, found in points.items()]
    pictures = {section.lower(): draw(section, found) for section, found in points.items()}
    return Findings(rows, notes, pictures)


def _about(methods, max_train_rows):
    variants = {name: VARIANTS[name] for name in methods if name in VARIANTS}
    return [
        f"Attackers train on at most {max_train_rows:,} rows, more let them read somewhat more; "
        "the strongest is picked on validation people. FNMR at FMR 1e-3 compares all test people "
        "with all, protected with protected. Low and high: 95 % intervals over people.",
        *(f"{name}: {of} with {chosen}." for name, (of, chosen) in variants.items()),
    ]


def _measure(context, data, fit_rows, method, value, seed, options):
    """Return one point's figures by section and column."""
    transform, metric = None, data.metric
    if method != RAW:
        name, parameters = VARIANTS.get(method, (method, {}))
        parameter, _ = eraser_class(name).strength
        parameters = parameters | context.pick(BRIEF.get(name, {}), {}) | {parameter: value}
        eraser, _ = fitted(fit_rows(), name, seed, parameters)
        transform, metric = eraser.transform, eraser.metric or metric
    found = {(ACROSS, VIEW2): data.view2(transform, metric)}
    for section, sides in data.sections(seed).items():
        point = measure_point(value, transform, *sides, metric=metric, seed=seed, **options)
        ends = (*point.leakage_ci95, *point.fnmr_ci95)
        values = (point.leakage, *ends[:2], point.fnmr, *ends[2:], point.eer)
        found |= {(section, column): v for column, v in zip(COLUMNS, values, strict=True)}
    return found


def _point(value, found):
    """Return the point of its figures."""
    leakage, *leakage_ends, fnmr, low, high, eer = (found[column] for column in COLUMNS)
    return Point(value, leakage, leakage_ends, "", fnmr, [low, high], eer, [])


def _front(section, found):
    """Return a sentence on which points no other beats."""
    named = {id(point): name for name, points in found.items() for point in points}
    front = pareto([point for points in found.values() for point in points])
    shown = [
        f"{named[id(p)]}{'' if p.value is None else f' {p.value:g}'} ({p.leakage:.3f} at "
        f"{p.fnmr:.4f})"
        for p in front
    ]
    return f"{section}, no other has less leakage at as low an FNMR: {', '.join(shown)}."


def draw(section: str, found: dict[str, list[Point]]) -> Any:
    """Draw every eraser's curve, leakage against FNMR.

    Parameters
    ----------
    section : str
        The data set.
    found : dict of str to list of Point
        By eraser.

    Returns
    -------
    matplotlib Figure
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for number, (name, points) in enumerate(found.items()):
            points = sorted(points, key=lambda point: point.fnmr)
            x, y = [p.fnmr for p in points], [p.leakage for p in points]
            error = [
                [abs(interval[side] - value) for interval, value in zip(ends, values, strict=True)]
                for ends, values in (
                    ([p.fnmr_ci95 for p in points], x),
                    ([p.leakage_ci95 for p in points], y),
                )
                for side in (0, 1)
            ]
            colour = INK if name == RAW else CLASSES[(number - 1) % len(CLASSES)]
            axes.errorbar(
                x, y, xerr=error[:2], yerr=error[2:], fmt="o-" if number <= len(CLASSES) else "s-",
                color=colour, lw=1.5, ms=4, elinewidth=0.6, label=name,
            )  # fmt: skip
        axes.axhline(0.5, color=INK, lw=1, ls=(0, (4, 3)))
        axes.set(
            xscale="log",
            xlabel="FNMR at FMR 1e-3",
            ylabel="balanced accuracy of the strongest attacker",
            title=f"{section}: gender left against the cost in matching",
        )
        axes.grid()
        axes.legend(loc="lower left", bbox_to_anchor=(1, 0))
        return figure


EXPERIMENT = Experiment(
    title="Pareto curves of erasers, gender",
    shows="What the strongest attacker reads against FNMR at FMR 1e-3, for erasers over their "
    "strength, in domain (CelebA) and across data sets (LFW).",
    source="this project",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 1},
    seconds={"quick": 20, "full": 2000},
)
