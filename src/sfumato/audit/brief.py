"""An audit in one sentence: what the strongest attacker reads, and what matching costs."""

from typing import Any

from sfumato.audit.matching import OO, PP


def hides(result: Any) -> bool:
    """Return whether protection makes the attribute less readable, beyond chance.

    Parameters
    ----------
    result : Audit
        With ``after``.
    """
    return result.reduction is not None and result.reduction["ci95"][0] > 0


def sentence(result: Any) -> str:
    """Return one attribute's audit, before and after, in a sentence.

    Parameters
    ----------
    result : Audit
        With ``after``.
    """
    before, after = result.before.headline, result.after.headline
    text = (
        f"{result.attribute}: the strongest of {len(result.after.attacks)} attackers reads "
        f"{_read(before)} before and {_read(after)} after (chance {result.chance:.2f})"
    )
    if result.matching:
        eers = [result.matching[name].result["eer"]["value"] for name in (OO, PP)]
        text += f"; matching costs an EER of {eers[1]:.4f}, before {eers[0]:.4f}"
    if result.reduction is None:
        return f"{text}; nothing could be read before."
    return f"{text}." if hides(result) else f"{text}; nothing is hidden."


def _read(attack):
    low, high = attack.ci95
    return f"{attack.balanced_accuracy:.2f} [{low:.2f}, {high:.2f}]"
