"""How it is printed what goes with labels that are known anyway."""

from typing import Any

from sfumato.cli.output import say


def print_given(result: Any) -> None:
    """Print what labels alone say, and what is read among people alike in them."""
    given = result.given
    names = " and ".join(given.labels)
    for when, leakage in {"before": result.before, "after": result.after}.items():
        if leakage is None:
            continue
        headline, alike = leakage.headline, getattr(given, when)
        text = (
            f"{result.attribute} {when}: {headline.balanced_accuracy:.3f} "
            f"{_interval(headline.ci95)}, of which {given.alone.value:.3f} "
            f"{_interval(given.alone.ci95)} goes with {names}"
        )
        if alike is not None:
            text += f"; {alike.value:.3f} {_interval(alike.ci95)} among people alike in these"
        say(text)
    people = ", ".join(f"{name} {n:.0f}" for name, n in given.effective_people.items())
    say(f"People alike, in effect: {people}.")
    say(*(f"Note: {note}." for note in given.notes))


def _interval(ends):
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"
