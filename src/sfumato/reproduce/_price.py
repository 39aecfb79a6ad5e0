"""What protection costs in matching, beside what rejecting no impostor by gender would cost."""

import numpy as np
from numpy.typing import ArrayLike

from sfumato.data.pairs import JoinedPairs
from sfumato.metrics.intervals import bootstrap_intervals
from sfumato.metrics.scores import MAX_IMPOSTOR, Scores, all_vs_all, identity_codes, pair_scores
from sfumato.metrics.verification import RankedScores

FMRS = (1e-3, 1e-4)


def price(
    X: ArrayLike, identity: ArrayLike, y: ArrayLike | None = None, *, metric: str,
    n_resamples: int = 200, max_impostor: int = MAX_IMPOSTOR, seed: int = 0,
) -> dict[str, float]:  # fmt: skip
    """Return EER and FNMR at FMR 1e-3 and 1e-4, all against all, with 95 % intervals.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    identity : array-like of shape (n_samples,)
    y : array-like of shape (n_samples,), optional
        With it impostors are those of one class: the floor.
    metric : str
    n_resamples : int, default=200
        Bootstrap resamples over people; 0 for no intervals.
    max_impostor : int, default=10_000_000
    seed : int, default=0

    Returns
    -------
    dict of str to float
        By column; an FMR that the impostor scores do not resolve is left out.
    """
    scores = all_vs_all(X, identity, metric, max_impostor=max_impostor, seed=seed)
    if y is not None:
        scores = _of_one_class(scores, identity, y)
    ranked = RankedScores(scores.genuine, scores.impostor)
    found = {"EER": ranked.eer().value}
    for fmr in FMRS:
        if fmr * len(scores.impostor) < 1:
            continue
        column = f"FNMR@{fmr:.0e}".replace("e-0", "e-")
        found[column] = 1 - float(ranked.tmr_at_fmr(fmr))
        if n_resamples:
            interval = bootstrap_intervals(
                scores, ["fnmr_at_fmr"], fmr=fmr, n_resamples=n_resamples, seed=seed
            )["fnmr_at_fmr"]
            found |= {f"{column} low": interval.low, f"{column} high": interval.high}
    return found


def eer_of_pairs(
    X: ArrayLike, pairs: JoinedPairs, y: ArrayLike | None = None, *, metric: str
) -> float | None:
    """Return the EER of listed pairs; with ``y`` of impostors of one class, None without any."""
    scores = pair_scores(X, pairs.a, pairs.b, metric)
    impostor = ~pairs.genuine
    if y is not None:
        y = np.asarray(y)
        impostor = impostor & (y[pairs.a] == y[pairs.b])
    if not impostor.any():
        return None
    return float(RankedScores(scores[pairs.genuine], scores[impostor]).eer().value)


def _of_one_class(scores, identity, y) -> Scores:
    """Return the scores without the impostor pairs of two classes; a person has one."""
    codes, n_people = identity_codes(identity)
    own = np.empty(n_people, dtype=object)
    own[codes] = np.asarray(y, dtype=object)
    first, second = (own[side] for side in scores.impostor_identity.T)
    kept = first == second
    return scores._replace(
        impostor=scores.impostor[kept],
        impostor_identity=scores.impostor_identity[kept],
        n_impostor_all=int(round(scores.n_impostor_all * float(np.mean(kept)))),
    )
