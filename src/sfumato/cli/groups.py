"""How leakage and matching of groups of people are printed."""

from typing import Any

from sfumato.cli.output import say, show, text_table

FIGURES = {"leakage": ("leakage", 3), "fnmr": ("FNMR", 4), "fmr": ("FMR", 5)}
SHIFTS = ("genuine_shift", "impostor_shift")
APART = {
    "worst_by_geometric_mean": "worst / geometric mean",
    "worst_by_best": "worst / best",
    "gini": "Gini",
}
TOTALS = {"garbe": "GARBE", "fdr": "FDR", "inequity_rate": "inequity rate"}


def print_groups(groupings: dict[str, Any]) -> None:
    """Print the figures of the groups of each label, and how far they are apart."""
    for by, grouping in groupings.items():
        _print_grouping(by, grouping)
        notes = [*grouping.notes]
        if grouping.refused:
            some = ", ".join(f"{name} ({n})" for name, n in list(grouping.refused.items())[:5])
            notes.append(
                f"groups of fewer than 10 people have no figures, {len(grouping.refused)}: {some}"
                + (", ..." if len(grouping.refused) > 5 else "")
            )
        notes += [f"{group.name}: {note}" for group in grouping.groups for note in group.notes]
        say(*(f"Note: by {by}: {note}." for note in notes))


def _print_grouping(by, grouping):
    figures = {
        figure: shown
        for figure, shown in FIGURES.items()
        if figure != "leakage" or any(group.before[figure] for group in grouping.groups)
    }
    rows, ends = [], []
    for group in grouping.groups:
        start = (group.name, f"{group.n_people:,}{' (few)' if group.few else ''}")
        for when, found in {"before": group.before, "after": group.after}.items():
            if found:
                cells = [_lines(found[figure], digits) for figure, (_, digits) in figures.items()]
                shifts = [_lines(found[figure], 2)[0] for figure in SHIFTS]
                rows.append((*start, when, *cells, " / ".join(shifts)))
                start = ("", "")
        ends.append(len(rows) - 1)
    at = "" if grouping.fmr is None else f", one threshold, at FMR {grouping.fmr:g} of everybody"
    show(
        text_table(
            (by, "people", "", *(name for name, _ in figures.values()), "shifts"),
            rows,
            title=f"Groups by {by}{at}",
            caption="shifts of genuine / impostor scores, in standard deviations of all",
            sections=ends,
        )
    )
    for side, apart in grouping.apart.items():
        if apart:
            say(f"By {by}, {side}: {_say_apart(apart)}")


def _say_apart(apart):
    parts = []
    for rate in ("fmr", "fnmr"):
        found = apart[rate]
        ratios = [f"{name} {_text(found[key], 2)}" for key, name in APART.items()]
        parts.append(f"{rate.upper()} worst {found['worst']}, {', '.join(ratios)}")
    parts += [", ".join(f"{name} {_text(apart[key], 3)}" for key, name in TOTALS.items())]
    return "; ".join(parts)


def _lines(measured, digits):
    value, _, interval = _text(measured, digits).partition(" ")
    return value, interval


def _text(measured, digits):
    if measured is None:
        return "-"
    low, high = measured.ci95
    return f"{measured.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
