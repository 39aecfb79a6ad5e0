"""An audit's finding in words: in the report, in Python, in a notebook."""

from html import escape
from typing import Any

from sfumato.audit.matching import OO, PP

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


def headline(audit: Any) -> str:
    """Return the finding in one sentence for somebody who is no expert."""
    attack, chance = audit.final.headline, audit.chance
    low, high = attack.ci95
    right = f"the best attacker is right {in_100(attack.balanced_accuracy)} times in 100"
    compared = f"guessing is right {in_100(chance)} times"
    if audit.after is not None:
        raw = in_100(audit.before.headline.balanced_accuracy)
        compared += f", and before protection the best was right {raw} times"
    side = "the protected templates" if audit.after is not None else "the templates"
    if low <= chance <= high:
        start = (
            f"No attacker of this audit reads {audit.attribute} off {side} better than guessing"
        )
    elif high < chance:
        start = f"Attackers are wrong about {audit.attribute} more often than guessing"
    else:
        still = "still " if audit.after is not None else ""
        start = f"{audit.attribute.capitalize()} can {still}be read off {side}"
    return f"{start}: {right}; {compared}."


def price(audit: Any) -> str | None:
    """Return what protection costs the matcher, in one sentence; None if that was not measured."""
    if audit.matching is None or PP not in audit.matching:
        return None
    sides = [audit.matching[name].result for name in (OO, PP)]
    points = [side["tmr_at_fmr"] for side in sides]
    if None not in points and points[0]["fmr"] == points[1]["fmr"]:
        missed = [in_100(1 - point["value"]) for point in points]
        line = (
            f"With thresholds that accept 1 in {round(1 / points[0]['fmr']):,} pairs of different "
            f"people, a matcher misses {missed[1]} of 100 pairs of one person; before protection, "
            f"{missed[0]}."
        )
    else:
        before, after = (in_100(side["eer"]["value"]) for side in sides)
        line = f"At equal error rates a matcher errs {after} times in 100; before, {before} times."
    costs = audit.floor[audit.attribute].costs if audit.floor else []
    floor = next((cost.floor.value for cost in costs if cost.name == "EER"), None)
    if floor is None:
        return line
    rates = " to ".join(f"{side['eer']['value']:.4f}" for side in sides)
    return (
        f"{line} The equal error rate goes from {rates}; if {audit.attribute} did not help to "
        f"tell people apart, it would be {floor:.4f} in any case."
    )


def in_100(share: float) -> str:
    """Return a share as times in 100, to three digits, and 100 or 0 only where it is that.

    Examples
    --------
    >>> in_100(0.5), in_100(0.996), in_100(0.99999), in_100(0.00001), in_100(1.0)
    ('50', '99.6', 'over 99.9', 'under 0.1', '100')
    """
    if 0 < share < 0.001:
        return "under 0.1"
    if 0.999 < share < 1:
        return "over 99.9"
    return f"{100 * share:.3g}"


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
