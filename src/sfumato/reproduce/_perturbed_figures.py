"""The figures of PrivacyNet's paper: errors of readers by output, bands of matching curves."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sfumato.audit.plots import AFTER, BEFORE, INK, STYLE
from sfumato.reproduce._perturbers_trained import ADVERSARIES, GAN
from sfumato.reproduce._published import publications
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.experiment import Experiment
from sfumato.reproduce.outputs import ORIGINAL, READERS, measured
from sfumato.reproduce.pictures import marked

SOURCE = (
    "Mirjalili, Raschka, Ross, PrivacyNet: semi-adversarial networks for multi-attribute face "
    "privacy, IEEE Transactions on Image Processing 2020"
)
TABLES = ("celeba", "utkface", "lfw")
METHODS = ("privacynet", "baseline-gan")
NOTES = [
    "Perturbers learn from CelebA's training people and UTKFace (race black or white; CelebA's "
    "race and age group as the shipped reader says where it is sure of the race); tried on "
    "CelebA's test people, LFW, and held-out faces of UTKFace, 128 pixels. Readers and matcher: "
    "sfumato's own, of pixels and of dlib's templates, and dlib's ResNet; no perturber saw them.",
]
RACE = (
    "On CelebA and LFW race figures are circular or of predictions: nobody told CelebA's race, so "
    "that the label is what the reader of dlib's templates says of the original, whose own EER on "
    "originals is 0 by construction; LFW's is the column race_predicted. UTKFace's labels are "
    "true: go by its rows."
)


def method_note(context: Any) -> str:
    """Return in what the networks differ from the paper's."""
    chosen, recipe = GAN[context.preset]
    assert recipe is not None  # Every preset of it has one.
    told = {
        "size": "{:g} pixels a side (paper: 224)",
        "width": "generator of width {:g}",
        "n_critic": "updates of D to one of the generator: {:g}",
        "matching_weight": "lambda_m {:g} (paper: 4)",
        "strength": "the change applied {:g} times",
    }
    parts = [what.format(chosen[name]) for name, what in told.items() if name in chosen]
    if chosen.get("residual"):
        parts.append("the generator adds to the picture (paper: it paints it)")
    if context.preset in ADVERSARIES:
        parts.append(
            "besides D two networks trained before, and copies that go on learning, are fooled "
            "(paper: D alone)"
        )
    parts.append(f"{recipe.n_iterations:,} batches of {recipe.batch_size} (paper: 200,000 of 16)")
    return "A modified PrivacyNet, not the paper's: " + "; ".join(parts) + "; one seed."


def readers_experiment(
    number: int, letter: str, what: str, shows: str, seconds: dict[str, Any]
) -> Any:
    """Return the experiment of figure 5, 6 or 7.

    Parameters
    ----------
    number : int
    letter : str
        With which names of outputs that hide the attribute start: "G", "R" or "A".
    what : str
        The figure: "gender EER", "race EER" or "age MAE".
    shows : str
        A sentence.
    seconds : dict
    """

    def run(context):
        figures: dict = {}
        for (where, output, found), value in measured(context, METHODS[0]).items():
            for reader in READERS:
                if found == f"{reader} {what}":
                    section = marked(where, where) if letter == "R" else where
                    figures[section, output, found] = (value,)
        rows = rows_of(figures)
        said = publications()[f"privacynet-figure{number}"]["said"]
        notes = [method_note(context), *NOTES, *([RACE] if letter == "R" else []), said]
        return Findings(rows, notes, {"outputs": draw_outputs(figures, letter)})

    return _figure(number, shows, run, seconds)


def _figure(number, shows, run, seconds):
    return Experiment(
        title=f"PrivacyNet, Figure {number}",
        shows=shows,
        source=SOURCE,
        tables=TABLES,
        run=run,
        n_seeds={"quick": 1, "full": 1, "gpu": 1},
        seconds=seconds,
        extras=("deep", "faces"),
    )


def draw_outputs(figures: dict[Any, Any], letter: str) -> Any:
    """Draw a figure of each reader on each data set: a point an output, hidden or kept.

    Parameters
    ----------
    figures : dict of (str, str, str) to tuple of float
        By data set, output and column.
    letter : str
    """
    sets = list(dict.fromkeys(where for where, _, _ in figures))
    columns = list(dict.fromkeys(column for _, _, column in figures))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3 * len(sets), 2.4 * len(columns)), layout="constrained")
        grid = figure.subplots(len(columns), len(sets), squeeze=False, sharex=True)
        for row, column in zip(grid, columns, strict=True):
            for axes, where in zip(row, sets, strict=True):
                points = {o: v[0] for (w, o, c), v in figures.items() if (w, c) == (where, column)}
                colours = [_colour(output, letter) for output in points]
                axes.scatter(range(len(points)), list(points.values()), c=colours, s=22)
                axes.set_xticks(range(len(points)), list(points), rotation=90)
                axes.set_title(f"{where}, {column}")
                axes.grid(axis="y")
    return figure


def _colour(output, letter):
    if output == ORIGINAL:
        return INK
    return BEFORE if any(part[0] == letter for part in output.split("+")) else AFTER


def curves_experiment(
    number: int, kind: str, xlabel: str, ylabel: str, shows: str, seconds: dict[str, Any]
) -> Any:
    """Return the experiment of figure 8 or 9: the originals' curve and bands over the outputs.

    Parameters
    ----------
    number : int
    kind : {"roc", "cmc"}
    xlabel, ylabel, shows : str
    seconds : dict
    """

    def run(context):
        figures: dict = {}
        for method in METHODS:
            found = measured(context, method)
            bands = _bands(found, kind)
            figures |= {(where, ORIGINAL, x): (v,) for (where, x), v in bands[0].items()}
            for name, band in zip(("lowest", "highest"), bands[1:], strict=True):
                figures |= {
                    (where, f"{method}, {name}", x): (v,) for (where, x), v in band.items()
                }
        notes = [
            method_note(context),
            *NOTES,
            "Lowest and highest of the 15 outputs, protected with protected.",
        ]
        return Findings(rows_of(figures), notes, {"bands": _draw(figures, kind, xlabel, ylabel)})

    return _figure(number, shows, run, seconds)


def _bands(found, kind):
    """Return originals, lowest and highest by data set and column."""
    original: dict = {}
    others: dict = {}
    for (where, output, what), value in found.items():
        name, _, x = what.partition(" ")
        if name == kind and output == ORIGINAL:
            original[where, x] = value
        elif name == kind:
            others.setdefault((where, x), []).append(value)
    low, high = ({key: f(values) for key, values in others.items()} for f in (min, max))
    return original, low, high


def _draw(figures, kind, xlabel, ylabel):
    sets = list(dict.fromkeys(where for where, _, _ in figures))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * len(sets), 3), layout="constrained")
        for axes, where in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
            curves: dict = {}
            for (own, name, x), values in figures.items():
                if own == where:
                    curves.setdefault(name, []).append((float(x), values[0]))
            points = {name: list(zip(*curve, strict=True)) for name, curve in curves.items()}
            axes.plot(*points[ORIGINAL], color=INK, label=ORIGINAL)
            for method, colour in zip(METHODS, (AFTER, BEFORE), strict=True):
                x, low = points[f"{method}, lowest"]
                high = points[f"{method}, highest"][1]
                axes.fill_between(x, low, high, color=colour, alpha=0.35, label=method)
            axes.set(title=where, xlabel=xlabel, ylabel=ylabel)
            axes.set_xscale("log" if kind == "roc" else "linear")
            axes.grid()
        figure.axes[0].legend(loc="lower right")
    return figure
