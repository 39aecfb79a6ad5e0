"""What should make a reader distrust an audit's figures."""

from typing import Any

N_TEST_IDENTITIES = 30
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
