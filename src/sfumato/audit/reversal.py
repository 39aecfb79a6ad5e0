"""Reversal: how many protected templates can be turned back so that they match the original.

An attacker who holds raw and protected templates of *other* people learns to restore raw ones
(:mod:`sfumato.audit._restoring`), restores those of the test people and shows them to a matcher
of raw templates, at the threshold of the false match rate of 0.001.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sfumato.audit._partners import other_photos, strangers
from sfumato.audit._restoring import train_restorer
from sfumato.audit.matching import OO
from sfumato.errors import InputError
from sfumato.metrics.groups import shares_by_group
from sfumato.metrics.scores import pair_scores

# Of the pairs that a learner gets; the regression is closed-form.
MAX_PAIRS = 20_000


@dataclass(frozen=True)
class Reversal:
    """How many protected templates an attacker with pairs turns back.

    Attributes
    ----------
    attacker : {"ridge", "kernel ridge"}
        The better on validation people.
    parameters : dict
    n_pairs : int
        Pairs of raw and protected templates learnt from, of development people.
    fmr, threshold : float
        A score of at least ``threshold`` is a match; of raw pairs of two people a share of
        ``fmr`` reaches it.
    original : dict
        ``value`` and ``ci95``: the share of test templates whose restored version matches the
        template that it was made from.
    another : dict or None
        The same, for another template of the same person; None if nobody has two.
    stranger : dict
        The same, for templates of other people: what a match is worth. If it is near
        ``original``, restored templates match anybody.
    as_released : dict or None
        The share of protected templates that match their original without any regression; None
        if they have another length or metric.
    raw_another : dict or None
        ``another`` of the raw templates themselves: the most that a restored one may reach.
    """

    attacker: str
    parameters: dict
    n_pairs: int
    fmr: float
    threshold: float
    original: dict
    another: dict | None
    stranger: dict
    as_released: dict | None
    raw_another: dict | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dict(vars(self))


def reverse(
    train: Any,
    tested: Any,
    *,
    threshold: float,
    fmr: float = 1e-3,
    metric: str = "cosine",
    protected_metric: str | None = None,
    seed: int = 0,
) -> Reversal:
    """Learn from one side's pairs, and restore the other side's protected templates.

    Parameters
    ----------
    train, tested : Rows
        With ``X``, ``protected`` and ``identity``; no person on both sides.
    threshold, fmr : float
        Of the raw templates.
    metric : str, default="cosine"
    protected_metric : str, optional
        Default ``metric``.
    seed : int, default=0

    Returns
    -------
    Reversal
    """
    protected_metric = protected_metric or metric
    if len(np.unique(train.identity)) < 2:
        raise InputError("reversal needs pairs of at least 2 people to learn from.")
    if len(train.y) > MAX_PAIRS:
        rng = np.random.default_rng(seed)
        train = train.take(np.sort(rng.choice(len(train.y), MAX_PAIRS, replace=False)))
    restorer = train_restorer(
        train.protected,
        train.X,
        train.identity,
        metric=metric,
        protected_metric=protected_metric,
        seed=seed,
    )
    restored = restorer.usable(tested.protected)
    each = np.arange(len(tested.identity))
    same, partner = (each, each), other_photos(tested.identity, seed=seed)
    several = partner.shape[1] > 0

    def share(A, pairs):
        a, b = pairs
        right = pair_scores(A, a, b, metric, other=tested.X) >= threshold
        return _share(right, tested.identity[a], seed)

    comparable = tested.protected.shape[1] == tested.X.shape[1] and protected_metric == metric
    return Reversal(
        attacker=restorer.name,
        parameters=restorer.parameters,
        n_pairs=len(train.y),
        fmr=fmr,
        threshold=threshold,
        original=share(restored, same),
        another=share(restored, partner) if several else None,
        stranger=share(restored, strangers(tested.identity, seed=seed)),
        as_released=share(tested.protected, same) if comparable else None,
        raw_another=share(tested.X, partner) if several else None,
    )


def reversal_of(train: Any, tested: Any, matching: Any, sides: Any, *, seed: int) -> Any:
    """Return an audit's reversal; None without protected rows, or a threshold of the raw ones.

    Parameters
    ----------
    train, tested : Rows
    matching : dict of str to Matching, or None
        Of the test people.
    sides : dict of str to str
        The metrics of ``X`` and of ``protected``.
    seed : int
    """
    at_fmr = matching and matching[OO].result["tmr_at_fmr"]
    if tested.protected is None or not at_fmr:
        return None
    return reverse(
        train,
        tested,
        threshold=at_fmr["threshold"],
        fmr=at_fmr["fmr"],
        metric=sides["X"],
        protected_metric=sides["protected"],
        seed=seed,
    )


def _share(right, identity, seed):
    found = shares_by_group(right, ["all"] * len(right), identity=identity, seed=seed)[0]
    return {"value": found.share, "ci95": list(found.interval)}
