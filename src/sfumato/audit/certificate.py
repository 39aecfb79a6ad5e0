"""A certificate: what no attacker exceeds, where the release is of a kind that allows one.

Two kinds are: templates with noise of known strength (``ldp-noise``), by the noise alone; and
templates of few values, such as released labels or bins of a score, by the test people's counts.
For all others an audit gives lower bounds only.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sfumato._constraints import NOT_NEGATIVE, SHARE, Instance, check_argument
from sfumato.errors import InputError
from sfumato.metrics.certificates import binned_bound, noise_bound

#: Templates of more values are not counted as cells.
MAX_CELLS = 64
DELTA = 0.05


@dataclass(frozen=True)
class Certificate:
    """An upper bound of every attacker's balanced accuracy.

    Attributes
    ----------
    kind : {"noise", "cells"}
    bound : float in [1 / n_classes, 1]
        With one template of a person.
    confidence : float
        1 for a theorem; 0.95 for counted cells.
    composed : dict or None
        ``n_templates``, the most that one test person has, and the ``bound`` with all of them.
    conditions : str
        What the bound rests on.
    details : dict
        ``epsilon``, ``delta``, ``distance`` of the noise; or ``n_cells``, ``n_rows`` and the
        ``best_seen`` accuracy of a rule on the cells.
    """

    kind: str
    bound: float
    confidence: float
    composed: dict | None
    conditions: str
    details: dict

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dict(vars(self))


def certify(
    train: Any,
    tested: Any,
    guarantee: dict[str, Any] | None,
    *,
    n_classes: int,
    named: bool,
    seed: int = 0,
) -> tuple[Certificate | None, list[str]]:
    """Return the certificate of the rows that an audit attacks, and alarms.

    Parameters
    ----------
    train, tested : Rows
        The cells are those of ``train``, their counts those of ``tested``.
    guarantee : dict or None
        ``epsilon``, ``delta`` and ``distance`` of one release, as
        :attr:`sfumato.erasers.ldp_noise.LocalDpEraser.guarantee` has them.
    n_classes : int
    named : bool
        Whether rows of one person are known to be such.
    seed : int, default=0
        Chooses the row of a person that is counted.
    """
    if guarantee is not None:
        return _of_noise(_checked(guarantee), tested, n_classes, named)
    return (_of_cells(train, tested, n_classes, seed) if named else None), []


def _checked(guarantee):
    check_argument(guarantee, Instance(dict), "guarantee")
    missing = {"epsilon", "delta", "distance"} - guarantee.keys()
    if missing:
        raise InputError(f"guarantee lacks {', '.join(sorted(missing))}.")
    for name, rule in {"epsilon": NOT_NEGATIVE, "delta": SHARE, "distance": NOT_NEGATIVE}.items():
        check_argument(guarantee[name], rule, f"guarantee: {name}")
    return guarantee


def _of_noise(guarantee, tested, n_classes, named):
    if guarantee.get("seed_known"):
        return None, [
            "The noise was drawn with the default seed, which all know: whoever guesses a "
            "template can redo its noise, and no bound holds. Fit with a secret seed."
        ]
    promised = {name: float(guarantee[name]) for name in ("epsilon", "delta", "distance")}

    def bound(n_templates):
        epsilon, delta, distance = promised.values()
        return noise_bound(epsilon, delta, distance, n_classes=n_classes, n_templates=n_templates)

    n_templates = int(np.unique(tested.identity, return_counts=True)[1].max())
    composed = {"n_templates": n_templates, "bound": bound(n_templates)}
    return Certificate(
        kind="noise",
        bound=bound(1),
        confidence=1.0,
        composed=composed if named else None,
        conditions="the attacker does not know the seed, and each photo was released once",
        details=promised,
    ), []


def _of_cells(train, tested, n_classes, seed):
    final, known = (
        rows.X if rows.protected is None else rows.protected for rows in (tested, train)
    )
    values = np.unique(known[: 4 * MAX_CELLS], axis=0)
    if len(values) <= MAX_CELLS:
        values = np.unique(known, axis=0)
    if len(values) > MAX_CELLS:
        return None
    # One row a person: only independent draws are binomial.
    order = np.random.default_rng(seed).permutation(len(final))
    rows = order[np.unique(tested.identity[order], return_index=True)[1]]
    if len(np.unique(tested.y[rows])) < n_classes:
        return None
    place = {value.tobytes(): str(number) for number, value in enumerate(values)}
    cells = [place.get(row.tobytes(), "other") for row in final[rows]]
    found = binned_bound(cells, tested.y[rows], DELTA)
    return Certificate(
        kind="cells",
        bound=found.value,
        confidence=1 - DELTA,
        composed=None,
        conditions="one template of each person, drawn from the people tested",
        details={"n_cells": found.n_cells, "n_rows": found.n_rows, "best_seen": found.best_seen},
    )
