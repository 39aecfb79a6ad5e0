"""How well people can still be recognised: verification before and after protection."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato._constraints import NOT_NEGATIVE_INT, check_argument
from sfumato.data.info import check_metric
from sfumato.data.pairs import JoinedPairs
from sfumato.errors import InputError
from sfumato.metrics.accuracy import FoldAccuracy, best_accuracy, kfold_accuracy, random_folds
from sfumato.metrics.intervals import bootstrap_intervals
from sfumato.metrics.scores import MAX_IMPOSTOR, Scores, all_pairs, all_vs_all, pair_scores
from sfumato.metrics.verification import RankedScores, d_prime
from sfumato.validation import check_embeddings, check_fraction, check_seed

OO, PP = "original-original", "protected-protected"
OP, PO = "original-protected", "protected-original"
N_FOLDS = 10


@dataclass(frozen=True)
class Matching:
    """The scores of one matching and what they say.

    Attributes
    ----------
    scores : Scores
        Raw scores with their identities, for plots.
    result : dict
        JSON-ready: ``eer``, ``tmr_at_fmr`` and ``accuracy`` with ``value`` and ``ci95``
        (bootstrap over identities), ``d_prime``, counts, ``protocol``, ``seed``, ``notes``.
    """

    scores: Scores
    result: dict


@dataclass(frozen=True)
class _Settings:
    metric: str
    protected_metric: str
    fmr: float
    n_resamples: int
    seed: int


def match_all(
    X: ArrayLike,
    identity: ArrayLike,
    protected: ArrayLike | None = None,
    *,
    metric: str = "cosine",
    protected_metric: str | None = None,
    fmr: float = 1e-3,
    n_resamples: int = 500,
    seed: int = 0,
    max_impostor: int = MAX_IMPOSTOR,
) -> dict[str, Matching]:
    """Compare all rows with all others, before and after protection.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Original embeddings.
    identity : array-like of shape (n_samples,)
        Who is in each row.
    protected : array-like of shape (n_samples, n_protected_features), optional
        The same rows after an eraser.
    metric : str, default="cosine"
        How originals are compared, see :mod:`sfumato.metrics.comparators`.
    protected_metric : str, optional
        How protected embeddings are compared; default ``metric``.
    fmr : float in (0, 1), default=0.001
        Where TMR is read.
    n_resamples : int, default=500
        Bootstrap resamples of the intervals; 0 for none (``ci95`` is then null).
    seed : int, default=0
    max_impostor : int, default=10_000_000
        Above this number impostor pairs are sampled, see
        :func:`~sfumato.metrics.scores.all_pairs`.

    Returns
    -------
    dict of str to Matching
        ``"original-original"``; with ``protected`` also ``"protected-protected"``; and, unless
        the features or metrics differ, ``"original-protected"`` and ``"protected-original"``.

    Raises
    ------
    InputError
        See :func:`~sfumato.metrics.scores.all_vs_all`.
    """
    settings = _settings(metric, protected_metric, fmr, n_resamples, seed)
    pairs = all_pairs(identity, max_impostor=max_impostor, seed=seed)
    result = {}
    for name, A, B, used in _matchings(X, protected, pairs.code.size, settings):
        scores = all_vs_all(A, None, used.metric, other=B, pairs=pairs)
        n = len(scores.genuine), len(scores.impostor)
        accuracy, rule = None, ""
        if min(n) >= N_FOLDS:
            folds = random_folds(*n, N_FOLDS, seed)
            accuracy = kfold_accuracy(scores.genuine, scores.impostor, *folds, balanced=True)
            rule = f"{N_FOLDS} random folds of pairs, genuine and impostor weighted equally"
        result[name] = _matching(scores, accuracy, rule, "all against all", True, used)
    return result


def match_pairs(
    X: ArrayLike,
    pairs: JoinedPairs,
    protected: Any = None,
    *,
    metric: str = "cosine",
    protected_metric: Any = None,
    fmr: float = 1e-3,
    n_resamples: int = 500,
    seed: int = 0,
) -> dict[str, Matching]:
    """Compare listed pairs of rows, before and after protection.

    Parameters
    ----------
    X, protected, metric, protected_metric, fmr, n_resamples, seed
        See :func:`match_all`.
    pairs : JoinedPairs
        From :func:`~sfumato.data.pairs.join_pairs`. With splits ``train`` and ``test`` the
        threshold of ``accuracy`` is chosen on ``train`` and everything is measured on
        ``test`` (LFW view 1); with other splits each is a fold (LFW view 2); without, ten
        random folds are made.

    Returns
    -------
    dict of str to Matching
        Keys as in :func:`match_all`; ``"original-protected"`` compares the first image as it
        was with the second one protected, ``"protected-original"`` the other way round.
    """
    settings = _settings(metric, protected_metric, fmr, n_resamples, seed)
    result = {}
    for name, A, B, used in _matchings(X, protected, pairs.identity.size, settings):
        values = pair_scores(A, pairs.a, pairs.b, used.metric, other=B)
        tested = tested_pairs(pairs)
        scores = _scores(values, pairs, tested)
        accuracy, rule = _listed_accuracy(values, pairs, seed)
        protocol = "listed pairs" if pairs.view is None else f"listed pairs, {pairs.view}"
        result[name] = _matching(scores, accuracy, rule, protocol, False, used)
    return result


def _settings(metric, protected_metric, fmr, n_resamples, seed):
    protected_metric = check_metric(protected_metric or check_metric(metric))
    check_fraction(fmr, "fmr")
    check_argument(n_resamples, NOT_NEGATIVE_INT, "n_resamples")
    return _Settings(metric, protected_metric, float(fmr), int(n_resamples), check_seed(seed))


def _matchings(X, protected, n_rows, settings):
    X = check_embeddings(X)
    if len(X) != n_rows:
        raise InputError(f"X has {len(X)} rows, identity {n_rows}; they must be the same rows.")
    yield OO, X, None, settings
    if protected is None:
        return
    protected = check_embeddings(protected, "protected")
    if len(protected) != n_rows:
        raise InputError(
            f"protected has {len(protected)} rows, X {n_rows}; they must be the same rows."
        )
    yield PP, protected, None, replace(settings, metric=settings.protected_metric)
    if protected.shape[1] == X.shape[1] and settings.protected_metric == settings.metric:
        yield OP, X, protected, settings
        yield PO, protected, X, settings


def tested_pairs(pairs: JoinedPairs) -> Any:
    """Return which listed pairs are measured: with splits train and test, those of test."""
    if _is_holdout(pairs.split):
        return pairs.split == "test"
    return np.ones(pairs.a.size, dtype=bool)


def _is_holdout(split):
    return split is not None and set(split.tolist()) == {"train", "test"}


def _scores(values, pairs: JoinedPairs, tested):
    genuine, impostor = pairs.genuine & tested, ~pairs.genuine & tested
    for side, name in ((genuine, "genuine"), (impostor, "impostor")):
        if not side.any():
            raise InputError(f"the listed pairs hold no {name} pair with both images known.")
    people = np.column_stack([pairs.identity[pairs.a], pairs.identity[pairs.b]])
    return Scores(
        genuine=values[genuine],
        impostor=values[impostor],
        genuine_identity=people[genuine, 0],
        impostor_identity=people[impostor],
        n_identities=int(pairs.identity.max()) + 1,
        n_impostor_all=int(impostor.sum()),
    )


def _listed_accuracy(values, pairs, seed):
    """Return a FoldAccuracy of the tested pairs, or None, and how it was made."""
    genuine, impostor = values[pairs.genuine], values[~pairs.genuine]
    if _is_holdout(pairs.split):
        splits = pairs.split[pairs.genuine], pairs.split[~pairs.genuine]
        return _holdout_accuracy(genuine, impostor, *splits), "threshold chosen on train"
    if pairs.split is not None and len(set(pairs.split.tolist())) > 1:
        folds = pairs.split[pairs.genuine].astype(str), pairs.split[~pairs.genuine].astype(str)
        rule = f"{len(set(pairs.split.tolist()))} folds, threshold chosen on the others"
    elif min(genuine.size, impostor.size) >= N_FOLDS:
        folds = random_folds(genuine.size, impostor.size, N_FOLDS, seed)
        rule = f"{N_FOLDS} random folds of pairs"
    else:
        return None, ""
    return kfold_accuracy(genuine, impostor, *folds), rule


def _holdout_accuracy(genuine, impostor, genuine_split, impostor_split):
    train = genuine[genuine_split == "train"], impostor[impostor_split == "train"]
    _, threshold = best_accuracy(*train)
    right_g = genuine[genuine_split == "test"] >= threshold
    right_i = impostor[impostor_split == "test"] < threshold
    value = float(np.mean(np.concatenate([right_g, right_i])))
    n = right_g.size + right_i.size
    return FoldAccuracy(
        value=value,
        standard_error=float(np.sqrt(value * (1 - value) / n)),
        folds=["test"],
        accuracy=np.array([value]),
        threshold=np.array([threshold]),
        genuine_correct=right_g,
        impostor_correct=right_i,
    )


def _matching(scores, accuracy, rule, protocol, balanced, settings):
    ranked = RankedScores(scores.genuine, scores.impostor)
    notes: list[str] = []
    eer = ranked.eer()
    result: dict[str, Any] = {"eer": {"value": eer.value, "threshold": eer.threshold}}
    result["tmr_at_fmr"] = _tmr(ranked, settings.fmr, notes)
    result["accuracy"] = None
    if accuracy is None:
        notes.append(f"accuracy needs at least {N_FOLDS} genuine and impostor pairs")
    else:
        result["accuracy"] = {
            "value": accuracy.value,
            "standard_error": accuracy.standard_error,
            "protocol": rule,
        }
    _add_intervals(result, scores, accuracy, balanced, settings)
    try:
        result["d_prime"] = d_prime(scores.genuine, scores.impostor)
    except InputError as error:
        result["d_prime"] = None
        notes.append(str(error))
    n_impostor = len(scores.impostor)
    if n_impostor < scores.n_impostor_all:
        notes.append(
            f"a uniform sample of {n_impostor} of the {scores.n_impostor_all} impostor pairs"
        )
    return Matching(scores, result | _about(scores, protocol, settings, notes))


def _about(scores, protocol, settings, notes):
    return {
        "n_genuine": len(scores.genuine),
        "n_impostor": len(scores.impostor),
        "n_impostor_all": scores.n_impostor_all,
        "n_identities": int(np.unique(scores.genuine_identity).size),
        "metric": settings.metric,
        "protocol": protocol,
        "seed": settings.seed,
        "notes": notes,
    }


def _tmr(ranked, fmr, notes):
    if fmr < 1 / ranked.impostor.size:
        notes.append(
            f"no TMR at FMR {fmr:g}: {ranked.impostor.size} impostor pairs resolve no less than "
            f"{1 / ranked.impostor.size:.2g}"
        )
        return None
    threshold = ranked.threshold_at_fmr(fmr)
    return {"value": float(ranked.tmr(threshold)), "fmr": fmr, "threshold": threshold}


def _add_intervals(result, scores, accuracy, balanced, settings):
    names = [name for name in ("eer", "tmr_at_fmr", "accuracy") if result[name] is not None]
    if settings.n_resamples == 0:
        for name in names:
            result[name]["ci95"] = None
        return
    correct = accuracy and (accuracy.genuine_correct, accuracy.impostor_correct)
    intervals = bootstrap_intervals(
        scores,
        names,
        fmr=settings.fmr,
        correct=correct,
        balanced=balanced,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )
    for name in names:
        result[name]["ci95"] = list(intervals[name])
