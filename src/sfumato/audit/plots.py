"""The report's pictures; before is always orange, after always blue-green.

Each function returns a Matplotlib figure, ``narrow`` one that a phone shows; :func:`svg_text`
makes it SVG whose colours the page sets, so that it follows dark mode.
"""

import hashlib
import io
import re
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import norm

from sfumato._constraints import StrOptions, check_argument
from sfumato.audit.learning import MULTIPLES
from sfumato.errors import InputError
from sfumato.metrics.verification import det_curve

BEFORE, AFTER, INK, FAINT = "#c8602a", "#14788a", "#2b2a28", "#b9b4ab"
# Colour-blind safe; classes of the attribute in t-SNE pictures.
CLASSES = ("#3b5b92", "#d98e2b", "#5b8c5a", "#a34a6b", "#7a6fa3", "#8c6d46", "#4b9aa8", "#8a8a8a")
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e7e3dc",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "sfumato",
}
# The page's names of these colours, which have other values in dark mode.
PAGE_COLOURS = {
    BEFORE: "before",
    AFTER: "after",
    INK: "ink",
    FAINT: "faint",
    STYLE["grid.color"]: "line",
} | {colour: f"class-{number}" for number, colour in enumerate(CLASSES)}
KINDS = ("attackers", "matching", "scores", "t-SNE")
WIDE, NARROW = 8.6, 3.6
N_TSNE = 1000
DET_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.4)
DET_FAR = (0.7, 0.95)  # Where a curve would lie outside.


def draw(audit: Any, kind: str = "attackers", *, narrow: bool = False) -> Figure:
    """Draw one of :data:`KINDS` of an audit.

    Raises
    ------
    InputError
        For another kind, or for matching where nobody was matched.
    """
    check_argument(kind, StrOptions(KINDS), "kind")
    if kind == "attackers":
        return leakage_figure(audit, narrow=narrow)
    if kind == "t-SNE":
        return tsne_figure(*audit_maps(audit), narrow=narrow)
    if not (scores := audit.scores()):
        raise InputError(f"kind={kind!r} needs people with two images each; this audit has none.")
    return {"matching": matching_figure, "scores": histogram_figure}[kind](scores, narrow=narrow)


def leakage_figure(audit: Any, *, narrow: bool = False) -> Figure:
    """Draw every attacker's balanced accuracy with its interval, before and after."""
    raw = audit.before.attacks
    names = sorted(raw, key=lambda name: raw[name].balanced_accuracy)
    names += [name for name in audit.attackers if name not in raw]
    with mpl.rc_context(STYLE):
        figure, (axes,) = _panels(1, 0.42 * len(names) + 1.2, narrow=narrow)
        sides = [("before", audit.before, BEFORE, 0.14)]
        if audit.after is not None:
            sides.append(("after", audit.after, AFTER, -0.14))
        for side in sides:
            _draw_side(axes, names, *side)
        axes.axvline(audit.chance, color=INK, lw=1, ls=(0, (4, 3)))
        top = len(names) - (0.1 if narrow else 0.4)
        axes.text(audit.chance, top, " chance", va="bottom", color=INK, fontsize=9)
        axes.set_ylim(-0.6, top + 0.1)
        axes.set_xlim(min(audit.chance - 0.05, axes.get_xlim()[0]), 1.0)
        if narrow:  # Names above their lines leave the width to these.
            axes.set_yticks([])
            for place, name in enumerate(names):
                axes.text(0, place + 0.42, name, va="center", transform=axes.get_yaxis_transform())
        else:
            axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("balanced accuracy on test people" + (", 95 % interval" * (not narrow)))
        axes.grid(axis="x")
        if narrow:
            figure.legend(loc="outside lower center", ncols=2)
        else:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
        return figure


def _draw_side(axes, names, label, leakage, colour, offset):
    for place, name in enumerate(names):
        if name not in leakage.attacks:
            continue
        attack = leakage.attacks[name]
        height, strongest = place + offset, leakage.strongest == name
        axes.plot(attack.ci95, [height] * 2, color=colour, lw=2.5, alpha=0.45)
        axes.plot(
            attack.balanced_accuracy,
            height,
            "D" if strongest else "o",
            color=colour,
            ms=8 if strongest else 5.5,
            label=f"{label}, strongest" if strongest else None,
            clip_on=False,
        )


def matching_figure(scores: dict[str, Any], *, narrow: bool = False) -> Figure:
    """Draw ROC and DET before and after.

    Parameters
    ----------
    scores : dict of str to (genuine, impostor)
        Label to score arrays; the first is before, the second after.
    narrow : bool, default=False
    """
    with mpl.rc_context(STYLE):
        figure, (roc, det) = _panels(2, 3.7, narrow=narrow)
        for (label, (genuine, impostor)), colour in zip(
            scores.items(), (BEFORE, AFTER), strict=False
        ):
            fmr, fnmr = _curve(genuine, impostor)
            roc.plot(fmr, 1 - fnmr, color=colour, lw=2, label=label)
            inside = (fmr > 0) & (fnmr > 0) & (fmr < 1) & (fnmr < 1)
            det.plot(norm.ppf(fmr[inside]), norm.ppf(fnmr[inside]), color=colour, lw=2)
        roc.set(xscale="log", xlim=(1e-5, 1), xlabel="FMR", ylabel="TMR", title="ROC")
        roc.legend(loc="lower left", bbox_to_anchor=(0, 0.08))
        worst = max(float(_eer(*_curve(*pair))) for pair in scores.values())
        shown = DET_TICKS if worst < 0.2 else (*DET_TICKS, *DET_FAR)
        ticks = norm.ppf(shown)
        labels = [f"{tick:g}" for tick in shown]
        every = 1 if shown == DET_TICKS else 2  # Else they would overlap.
        det.set_xticks(ticks[::every], labels[::every])
        det.set_yticks(ticks, labels)
        det.set(xlabel="FMR", ylabel="FNMR", title="DET (normal deviates)")
        det.set(xlim=(ticks[0], ticks[-1]), ylim=(ticks[0], ticks[-1]))
        for axes in (roc, det):
            axes.grid()
        return figure


def _eer(fmr, fnmr):
    return np.maximum(fmr, fnmr).min()


def _curve(genuine, impostor):
    fmr, fnmr = det_curve(genuine, impostor, n_points=2000)[:2]
    return np.asarray(fmr), np.asarray(fnmr)


def histogram_figure(scores: dict[str, Any], *, narrow: bool = False) -> Figure:
    """Draw genuine and impostor scores, one panel for before and one for after."""
    with mpl.rc_context(STYLE):
        figure, panels = _panels(len(scores), 2.9, narrow=narrow)
        for axes, (label, (genuine, impostor)), colour in zip(
            panels, scores.items(), (BEFORE, AFTER), strict=False
        ):
            low, high = np.quantile(impostor, 0.0005), np.quantile(genuine, 0.9995)
            bins = np.linspace(min(low, genuine.min()), max(high, impostor.max()), 80)
            axes.hist(impostor, bins, density=True, color=FAINT, label="impostor")
            axes.hist(genuine, bins, density=True, color=colour, alpha=0.75, label="genuine")
            axes.set(title=label, xlabel="score", yticks=[])
            axes.spines["left"].set_visible(False)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
        return figure


def tsne_maps(
    versions: dict[str, NDArray[Any]], y: NDArray[Any], *, seed: int = 0
) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Return t-SNE maps of at most 1000 rows, and these rows' classes.

    Parameters
    ----------
    versions : dict of str to ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    seed : int, default=0
    """
    from sklearn.manifold import TSNE

    rows = np.random.default_rng(seed).permutation(len(y))[:N_TSNE]
    maps = {}
    for label, X in versions.items():
        X = X[rows] / np.linalg.norm(X[rows], axis=1, keepdims=True).clip(1e-12)
        perplexity = min(30, (len(rows) - 1) / 3)
        model = TSNE(perplexity=perplexity, random_state=seed, init="pca")
        maps[label] = model.fit_transform(X)
    return maps, y[rows]


def audit_maps(audit: Any) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Return the maps of an audit's test rows, before and after, and their classes."""
    versions = {"before": audit.rows["X"]}
    if audit.after is not None:
        versions["after"] = audit.rows["protected"]
    return tsne_maps(versions, audit.rows["y"], seed=audit.seed)


def tsne_figure(maps: dict[str, NDArray[Any]], y: NDArray[Any], *, narrow: bool = False) -> Figure:
    """Draw the maps of :func:`tsne_maps` coloured by the attribute, one panel a version."""
    classes = sorted(set(y.tolist()))
    with mpl.rc_context(STYLE):
        figure, panels = _panels(len(maps), 4.3 if not narrow else 3.4, narrow=narrow)
        for axes, (label, points) in zip(panels, maps.items(), strict=True):
            for number, value in enumerate(classes):
                colour = CLASSES[number % len(CLASSES)]
                chosen = points[y == value].T
                axes.scatter(*chosen, s=9, color=colour, alpha=0.8, lw=0, label=value)
            axes.set(title=label, xticks=[], yticks=[])
            for side in axes.spines.values():
                side.set_visible(False)
        panels[-1 if narrow else 0].legend(
            loc="upper left", bbox_to_anchor=(0, 0), ncols=2 if narrow else 4, markerscale=2
        )
        return figure


def learning_figure(audit: Any, *, narrow: bool = False) -> Figure:
    """Draw the strongest attackers' learning curves, and dotted what a power law would add."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = _panels(1, 4.2 if narrow else 3.2, narrow=narrow)
        sides = [("before", audit.learning.before, BEFORE), ("after", audit.learning.after, AFTER)]
        for label, curves, colour in sides:
            for place, curve in enumerate(curves or ()):
                _draw_curve(axes, curve, f"{label}, {curve.attacker}", colour, place)
        axes.axhline(audit.chance, color=INK, lw=1, ls=(0, (4, 3)))
        sizes = [point.n_rows for point in audit.learning.final[0].points]
        sizes += [times * sizes[-1] for times in MULTIPLES]
        shown = sizes[::-2][::-1] if narrow else sizes
        axes.set_xscale("log")
        axes.set_xticks(shown, [f"{n:,}" for n in shown])
        axes.minorticks_off()
        axes.set(xlabel="attacker rows", ylabel="balanced accuracy")
        axes.grid(axis="y")
        place = ("upper left", (0, -0.2)) if narrow else ("center left", (1, 0.5))
        axes.legend(loc=place[0], bbox_to_anchor=place[1])
        return figure


def _draw_curve(axes, curve, label, colour, place):
    n_rows = [point.n_rows for point in curve.points]
    values = [point.balanced_accuracy for point in curve.points]
    alpha = (1, 0.6, 0.35)[place]
    axes.plot(n_rows, values, "o-", color=colour, alpha=alpha, ms=4, lw=2, label=label)
    ends = curve.extrapolation
    beyond = [n_rows[-1], *(end["n_rows"] for end in ends)]
    read = [values[-1], *(end["balanced_accuracy"] for end in ends)]
    axes.plot(beyond, read, ":", color=colour, alpha=alpha, lw=2)
    if place == 0:
        bounds = [curve.points[-1].ci95, *(end["ci95"] for end in ends)]
        axes.fill_between(beyond, *zip(*bounds, strict=True), color=colour, alpha=0.12, lw=0)


def _panels(n_panels, height, *, narrow):
    """Return a figure and its panels, beside each other or, on a phone, below each other."""
    size = (NARROW, height * n_panels) if narrow else (WIDE, height)
    figure = Figure(figsize=size, layout="constrained")
    shape = (n_panels, 1) if narrow else (1, n_panels)
    return figure, figure.subplots(*shape, squeeze=False).ravel()


def svg_text(figure: Figure) -> str:
    """Return a figure as SVG for a page that sets its colours, with ids of its own."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:8] + "-"
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    for colour, name in PAGE_COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text
