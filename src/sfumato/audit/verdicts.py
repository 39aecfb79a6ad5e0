"""An audit's finding in words: in the report, in Python, in a notebook."""

from html import escape
from typing import Any

# Of a chart in a notebook, whose own colours are not known: readable on light and dark.
NOTEBOOK = (
    "--ink:currentColor;--faint:#8a857d;--line:#8a857d40;--before:#d06a34;--after:#2793a6;"
    "max-width:52rem"
)


def verdict(audit: Any) -> str:
    """Return the finding in one sentence, no stronger than the interval allows."""
    attack = audit.final.headline
    low, high = attack.ci95
    figure = (
        f"{attack.attacker} reads {audit.attribute} with a balanced accuracy of "
        f"{attack.balanced_accuracy:.3f} [{low:.3f}, {high:.3f}], chance {audit.chance:.3f}"
    )
    if low <= audit.chance <= high:
        return f"No attacker of this suite was shown to beat chance: {figure}."
    if high < audit.chance:
        return f"Below chance, by accident or because the leak changed its sign: {figure}."
    kind = "still readable" if audit.after is not None else "readable"
    return f"{audit.attribute.capitalize()} is {kind}: {figure}."


def alarms_in_words(audit: Any) -> str:
    """Return what the alarms, or their absence, mean for the figures."""
    if audit.alarms:
        return (
            "Each of these makes the figures of this attribute doubtful, whatever they are; "
            "mend it and audit again."
        )
    return (
        "No alarm was raised: the checks of the rows, labels and attackers found nothing that "
        "makes these figures doubtful. It does not mean that nothing leaks; how much does is "
        "said above."
    )


def summary(audit: Any) -> str:
    """Return the finding in a few lines."""
    part = audit.split["test"]
    lines = [
        f"Audit of {audit.attribute} ({', '.join(audit.classes)}): {part['n_rows']:,} rows of "
        f"{part['n_people']:,} test people",
        verdict(audit),
    ]
    if audit.after is not None:
        raw = audit.before.headline
        low, high = raw.ci95
        lines.append(
            f"Before protection: {raw.attacker} {raw.balanced_accuracy:.3f} "
            f"[{low:.3f}, {high:.3f}]"
        )
    if audit.matching is not None:
        rates = [
            f"{audit.matching[name].result['eer']['value']:.4f}"
            for name in ("original-original", "protected-protected")
            if name in audit.matching
        ]
        lines.append(f"Equal error rate: {' -> '.join(rates)}")
    lines += [f"Alarm: {alarm}" for alarm in audit.alarms]
    return "\n".join(lines)


def in_brief(audit: Any) -> str:
    """Return the finding in half a line."""
    figures = [side.headline.balanced_accuracy for side in (audit.before, audit.after) if side]
    alarms = f", {len(audit.alarms)} alarms" if audit.alarms else ""
    return (
        f"<Audit of {audit.attribute}: balanced accuracy "
        f"{' -> '.join(f'{figure:.3f}' for figure in figures)}, chance {audit.chance:.3f}{alarms}>"
    )


def notebook_page(audit: Any) -> str:
    """Return the finding and the attackers' chart as HTML for a notebook."""
    from sfumato.audit.plots import leakage_figure, svg_text

    first, *lines = summary(audit).splitlines()
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    chart = svg_text(leakage_figure(audit))
    return f'<div style="{NOTEBOOK}"><p><b>{escape(first)}</b></p>{said}{chart}</div>'
