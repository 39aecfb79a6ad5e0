"""What an audit says of the protection itself, on the terminal."""

from typing import Any

from sfumato.cli.output import say, show, text_table


def print_protection(result: Any) -> None:
    """Print what is turned back, what no attacker exceeds, and what is linked."""
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
    if found := result.certificate:
        composed = found.composed
        several = (
            f", with {composed['n_templates']} of one person {composed['bound']:.3f}"
            if composed and composed["n_templates"] > 1
            else ""
        )
        attack = result.final.headline
        say(
            f"No attacker's balanced accuracy exceeds {found.bound:.3f} on one template{several} "
            f"(confidence {found.confidence:g}), if {found.conditions}; {attack.attacker} reads "
            f"{attack.balanced_accuracy:.3f}. Every other figure is a lower bound of what leaks."
        )
    else:
        say("No certificate: every figure is a lower bound of what leaks.")
    if found := result.unlinkability:
        _print_links(found)


def _print_links(found):
    rows = [
        (name, how.replace("_", " "), *map(_linked, (linked["same_photo"], linked["other_photo"])))
        for name, release in found.releases.items()
        for how in ("as_released", "regression")
        if (linked := release[how])
    ]
    columns = ("linked with", "how", "D_sys, same photo [95 %]", "D_sys, another photo [95 %]")
    caption = "0 nobody is linked, 1 all are; chance: what unlinkable scores stay below"
    show(text_table(columns, rows, title="Unlinkability", caption=caption, right=(2, 3)))


def _linked(part):
    if part is None:
        return "-"
    low, high = part["ci95"]
    return f"{part['d_sys']:.3f} [{low:.3f}, {high:.3f}], chance {part['floor']:.3f}"


def _share(part):
    low, high = part["ci95"]
    return f"{part['value']:.3f} [{low:.3f}, {high:.3f}]"
