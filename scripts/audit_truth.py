"""What the audit says of tables whose truth is known: planted leaks, and none.

    python scripts/audit_truth.py [CLEAN [LEAKS]]

Prints a line each:

- LEAKS tables (3) of each planted leak, `sfumato.data.planted`, audited by all attackers: the
  strongest and its interval. A leak is found where the interval lies above chance.
- CLEAN tables (200) of 240 people with five rows of 16 features and a label that is a coin's
  flip, audited by the three of `--quick`, with learning curves and without matching: in how many
  the interval of the strongest attacker, and of each, holds chance, and how often each alarm is
  raised.
"""

import sys
from collections import Counter

from sfumato.audit.attackers import QUICK
from sfumato.audit.protocol import audit
from sfumato.data.planted import KINDS, planted

# People of five rows; a leak that is faint or of few rows needs more of them.
N_PEOPLE, MORE = 600, {"subgroup": 1_200, "one cluster": 4_000}
N_CLEAN_PEOPLE = 240


def look(kind, n_people, seed, **options):
    """Return the audit of one table."""
    X, y, identity = planted(kind, n_people, seed=seed)
    return audit(
        X, y, identity=identity, metric="euclidean", match=False, n_resamples=500, seed=seed,
        progress=False, **options,
    )  # fmt: skip


def find_leaks(n_tables):
    """Print what is read of each planted leak."""
    n_found = n_all = 0
    for kind in KINDS:
        if kind == "none":
            continue
        for seed in range(n_tables):
            found = look(kind, MORE.get(kind, N_PEOPLE), seed)
            best = found.before.headline
            low, high = best.ci95
            n_all, n_found = n_all + 1, n_found + (low > found.chance)
            print(
                f"{kind}, seed {seed}: {best.attacker} {best.balanced_accuracy:.3f} "
                f"[{low:.3f}, {high:.3f}]{'' if low > found.chance else ', NOT FOUND'}; "
                f"alarms {[alarm.split(':')[0] for alarm in found.alarms]}",
                flush=True,
            )
    print(f"leaks found: {n_found} of {n_all}")


def count_clean(n_tables):
    """Print coverage and alarms over the tables without a leak."""
    held, all_held, alarms = 0, 0, Counter()
    for seed in range(n_tables):
        found = look("none", N_CLEAN_PEOPLE, seed, attackers=list(QUICK))
        intervals = {name: attack.ci95 for name, attack in found.before.attacks.items()}
        holds = {name: low <= found.chance <= high for name, (low, high) in intervals.items()}
        held += holds[found.before.strongest]
        all_held += sum(holds.values())
        alarms.update({" ".join(alarm.split()[:3]) for alarm in found.alarms})
        if (seed + 1) % 20 == 0 or seed + 1 == n_tables:
            print(
                f"{seed + 1} tables: strongest holds chance in {held}, all attackers in "
                f"{all_held} of {(seed + 1) * len(QUICK)}; alarms {dict(alarms)}",
                flush=True,
            )


def main(n_clean=200, n_leaks=3):
    """Look at both."""
    if int(n_leaks):
        find_leaks(int(n_leaks))
    if int(n_clean):
        count_clean(int(n_clean))


if __name__ == "__main__":
    main(*sys.argv[1:])
