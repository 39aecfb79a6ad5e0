"""Count what the audit finds in tables that hold no leak: intervals off chance, and alarms.

    python scripts/clean_tables.py [TABLES]

Each table has 240 people with five rows of 16 features and a label that is a coin's flip, and is
audited by three quick attackers, with learning curves and without matching. Prints in how many
tables the interval of the strongest attacker holds chance, and how often each alarm is raised.
"""

import sys
from collections import Counter

from sfumato.audit import protocol
from sfumato.data.planted import planted

QUICK = ["logistic regression", "quadratic discriminant", "kNN"]


def main(n_tables=200):
    """Print coverage and alarms over the tables."""
    protocol.match_all = protocol.floors_of = lambda *_, **__: None  # Not looked at.
    held, all_held, alarms = 0, 0, Counter()
    for seed in range(int(n_tables)):
        X, y, identity = planted("none", 240, seed=seed)
        found = protocol.audit(
            X,
            y,
            identity=identity,
            metric="euclidean",
            attackers=QUICK,
            n_resamples=500,
            seed=seed,
        )
        intervals = {name: attack.ci95 for name, attack in found.before.attacks.items()}
        holds = {name: low <= found.chance <= high for name, (low, high) in intervals.items()}
        held += holds[found.before.strongest]
        all_held += sum(holds.values())
        alarms.update({" ".join(alarm.split()[:3]) for alarm in found.alarms})
        if (seed + 1) % 20 == 0:
            print(
                f"{seed + 1} tables: strongest holds chance in {held}, all attackers in "
                f"{all_held} of {(seed + 1) * len(QUICK)}; alarms {dict(alarms)}",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
