"""What an audit says of the protection itself, on the terminal."""

from typing import Any

from sfumato.cli.output import say


def print_protection(result: Any) -> None:
    """Print how many templates can be turned back."""
    if found := result.reversal:
        another = (
            ""
            if found.another is None
            else f", another of the same person {_share(found.another)}"
        )
        say(
            f"Turned back by {found.attacker} regression on {found.n_pairs:,} pairs of other "
            f"people: {_share(found.original)} of the templates match their original at FMR "
            f"{found.fmr:g}{another}, other people {found.stranger['value']:.4f}."
        )


def _share(part):
    low, high = part["ci95"]
    return f"{part['value']:.3f} [{low:.3f}, {high:.3f}]"
