"""What should make a reader distrust an audit's figures."""

from typing import Any

import numpy as np

from sfumato.audit.matching import OO, PP

N_TEST_IDENTITIES = 30
# Of the relative reduction. Over 20 planted tables (750 test rows of 150 people) erasers that took
# 0.10 of the advantage on average were all below, those that took 0.26 in 9 tables, 0.49 in none.
LITTLE = 0.25
# On LEACE-protected CelebA templates (128 features, 10 draws) RBF SVM and MLP read 0.73 and 0.65
# with 5.5 rows a feature, 0.86 and 0.84 with 12, 0.94 and 0.94 with 22.
ROWS_A_FEATURE = 10
# Harmless erasers (LEACE of gender or of a coin's flip, 20 draws of 150 CelebA people) change the
# FMR at a fixed threshold by factors of 0.89 to 1.07.
FMR_RISE = 1.5
# An attacker that learnt nothing still overfits by about this much.
TRAINING_MARGIN = 0.03


def raise_alarms(
    before: Any,
    after: Any,
    chance: float,
    judge: Any,
    identities_known: bool,
    *,
    level: float = 0.95,
) -> Any:
    """Return the alarms of an audit, one sentence each.

    Parameters
    ----------
    before, after : Leakage or None
    chance : float
    judge : BootstrappedAccuracy
    identities_known : bool
    level : float, default=0.95
        Of the intervals.
    """
    found = []
    if not identities_known:
        found.append(
            "No identities were given: every row counts as another person, so an attacker may "
            "have recognised people instead of reading the attribute, and intervals are narrow."
        )
    n_people = judge.n_identities
    needed = round(2 / (1 - level))
    if n_people < needed:
        found.append(
            f"Only {n_people} test people: a {level:.0%} interval over identities needs at least "
            f"{needed}."
        )
    counts = judge.identities_per_class.tolist()
    for name, count in zip(judge.classes.tolist(), counts, strict=True):
        if count < N_TEST_IDENTITIES:
            found.append(
                f"Class {name!r} has {count} test people, fewer than {N_TEST_IDENTITIES}: its "
                "figures are unstable."
            )
    for side, leakage in {"raw": before, "protected": after}.items():
        if leakage is not None:
            found += _attacker_alarms(leakage, side, chance)
    if after is not None and before.headline.ci95[0] <= chance:
        found.append(
            "No attacker read the raw embeddings better than chance: nothing was there to erase, "
            "or the labels are wrong."
        )
    return found


def say_little(reduction: dict[str, Any] | None) -> list[str]:
    """Return the alarm that protected rows still read nearly as the raw ones."""
    if reduction is None or reduction["value"] >= LITTLE:
        return []
    low, high = reduction["ci95"]
    return [
        f"Protects little: {reduction['value']:.3f} [{low:.3f}, {high:.3f}] of the attackers' "
        "advantage gone."
    ]


def say_few_rows(leakage: Any, n_rows: int) -> list[str]:
    """Return the alarm that attackers had few rows for so many features."""
    needed = ROWS_A_FEATURE * (leakage.n_features or 0)
    if n_rows >= needed:
        return []
    return [
        f"Attackers had {n_rows:,} rows of {leakage.n_features} features, fewer than {needed:,}: "
        "what they did not read they may read of more."
    ]


def say_threshold(matching: dict[str, Any] | None) -> list[str]:
    """Return the alarm that a matcher's threshold must be set anew for protected templates."""
    if matching is None or PP not in matching:
        return []
    raw, protected = matching[OO], matching[PP]
    point = raw.result["tmr_at_fmr"]
    if point is None or raw.result["metric"] != protected.result["metric"]:
        return []
    found = float(np.mean(protected.scores.impostor >= point["threshold"]))
    if found < FMR_RISE * point["fmr"]:
        return []
    return [
        f"At the raw threshold for FMR {point['fmr']:g}, protected templates match impostors at "
        f"{found:.2g}, {found / point['fmr']:.1f} times as often: set the threshold anew."
    ]


def say_rising(learning: Any) -> list[str]:
    """Return the alarm that attackers would read more if they had more rows."""
    rising = [] if learning is None else learning.rising
    if not rising:
        return []
    half, full = rising[0].points[-2:]
    gains = ", ".join(f"{curve.attacker} {_signed(curve.gain)}" for curve in rising)
    return [
        f"Still rising: more data would read more. Twice the rows, {full.n_rows:,} for "
        f"{half.n_rows:,}, brought {gains} of balanced accuracy; {_say_far(rising)}."
    ]


def _say_far(rising):
    if any(not curve.extrapolation for curve in rising):
        return "the rise itself still grows, so nothing can be extrapolated"
    far = max((c.extrapolation[-1] for c in rising), key=lambda end: end["balanced_accuracy"])
    low, high = far["ci95"]
    read = f"{far['balanced_accuracy']:.3f} [{low:.3f}, {high:.3f}]"
    return f"extrapolated, {far['n_rows']:,} rows would read {read}"


def _signed(part):
    low, high = part["ci95"]
    return f"{part['value']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _attacker_alarms(leakage, side, chance):
    found = []
    for name, attack in leakage.attacks.items():
        if abs(attack.balanced_accuracy - chance) < 1e-9:
            found.append(
                f"{name} on {side} embeddings is at exactly chance ({chance:.3f}): a failed fit, "
                "not a success of the eraser."
            )
        elif attack.training < chance + TRAINING_MARGIN:
            found.append(
                f"{name} on {side} embeddings cannot fit even its own training data "
                f"({attack.training:.3f}, chance {chance:.3f}): its figure says nothing."
            )
        if not attack.converged:
            found.append(f"{name} on {side} embeddings did not converge.")
    return found
