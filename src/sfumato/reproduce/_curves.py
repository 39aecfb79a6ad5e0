"""Accuracy against the share of removed features: rows and picture of both papers' figures."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sfumato.audit.plots import CLASSES, INK, STYLE
from sfumato.audit.removed_features import REMOVED, accuracy_without_features

QUICK = (0.0, 0.5, 0.9)


def curve(
    context: Any,
    section: str,
    name: str,
    X: NDArray[Any],
    y: NDArray[Any],
    *,
    seed: int,
    **options: Any,
) -> Any:
    """Return one curve's figures by ``(section, name, share removed)``.

    Parameters
    ----------
    context : Context
    section, name : str
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    seed : int
    **options
        Passed to :func:`sfumato.audit.removed_features.accuracy_without_features`.
    """
    context.say(f"{section}, {name}")
    removed = context.pick(QUICK, REMOVED)
    found = accuracy_without_features(X, y, removed=removed, n_repeats=2, seed=seed, **options)
    means = zip(removed, found.before.mean, strict=True)
    figures = {(section, name, column(share)): value for share, value in means}
    return figures | {(section, name, "chance"): found.chance}


def column(share: Any) -> str:
    """Return the name of the column of a share of removed features."""
    return f"{share:.0%} removed"


def draw_curves(figures: dict[Any, Any]) -> Any:
    """Draw every curve of :func:`curve` over all seeds; a band shows the deviation.

    Parameters
    ----------
    figures : dict of (str, str, str) to tuple of float
        As :meth:`~sfumato.reproduce.experiment.Context.over_seeds` gives.

    Returns
    -------
    matplotlib Figure
    """
    lines: dict = {}
    for (section, name, label), values in figures.items():
        lines.setdefault(f"{section}, {name}", {})[label] = np.array(values)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for number, (label, cells) in enumerate(lines.items()):
            shares = [share for share in REMOVED if column(share) in cells]
            values = np.stack([cells[column(share)] for share in shares])
            mean, deviation = values.mean(axis=1), values.std(axis=1)
            colour, x = CLASSES[number % len(CLASSES)], 100 * np.array(shares)
            axes.plot(x, mean, "o-", color=colour, lw=2, ms=4, label=label)
            axes.fill_between(x, mean - deviation, mean + deviation, color=colour, alpha=0.2, lw=0)
        for chance in sorted({float(cells["chance"][0]) for cells in lines.values()}):
            axes.axhline(chance, color=INK, lw=1, ls=(0, (4, 3)))
            axes.text(0, chance, " chance", va="bottom", color=INK, fontsize=9)
        axes.set(xlabel="features removed, %", ylabel="balanced accuracy", ylim=(0, 1.02))
        axes.grid()
        axes.legend(loc="lower left")
        return figure
