"""What the shell completes: methods, and columns of the table on the line.

A completion never fails and never prints: what cannot be read completes to nothing.
"""

from collections.abc import Iterable
from typing import Any

from sfumato.models.registry import ERASERS, PERTURBERS, RECOMMENDED_PERTURBER

#: What --perturber may name.
PERTURBER_HELP = (
    f"{RECOMMENDED_PERTURBER} (default), privacynet or controllable, which are bundled; or a "
    "saved or exported perturber's file."
)
#: What the class to show is, where none is named.
AT_RANDOM = "--at-random/--opposite"
AT_RANDOM_HELP = (
    "Draw what to show among all classes, the present one too, so that nobody can turn the "
    "answer round; or show another class."
)

#: Parameters of commands that hold a face table; of two, the second word comes first.
TABLES = ("table", "before", "first")


def complete_eraser(incomplete: str) -> list[str]:
    """Return the erasers that begin so."""
    return _begin(ERASERS, incomplete)


def complete_perturber(incomplete: str) -> list[str]:
    """Return the perturbers that begin so."""
    return _begin(PERTURBERS, incomplete)


def complete_label(ctx: Any, incomplete: str) -> list[str]:
    """Return the table's labels that begin so; after a comma, those that are not yet named."""
    return _after_comma(_names(ctx, "label_columns"), incomplete)


def complete_column(ctx: Any, incomplete: str) -> list[str]:
    """Return all columns of the table that begin so."""
    return _begin(_names(ctx, "columns"), incomplete)


def _begin(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _after_comma(names, incomplete):
    before, comma, last = incomplete.rpartition(",")
    named = {name.strip() for name in before.split(",")}
    found = [name for name in names if name.startswith(last) and name not in named]
    return [before + comma + name for name in found]


def _names(ctx, which):
    from sfumato.data.opening import open_table

    # Where the option itself waits for its value, its command's words are not assigned yet.
    words = [ctx.params[name] for name in TABLES if ctx.params.get(name)] or ctx.args[-1:]
    try:
        return list(getattr(open_table(str(words[0])), which))
    except Exception:  # No table yet, or none that can be read.
        return []
