"""Verification accuracy with the threshold chosen on other pairs, as LFW prescribes."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import NOT_NEGATIVE_INT, Interval, check_argument
from sfumato.errors import InputError
from sfumato.metrics.verification import RankedScores, check_pair
from sfumato.validation import check_seed

#: Fold numbers are int8.
N_FOLDS = Interval(Integral, 2, 127, closed="both")


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy over folds, each judged at the threshold that suits the other folds best.

    Attributes
    ----------
    value : float in [0, 1]
        Mean of the folds' accuracies.
    standard_error : float
        Their sample standard deviation over the root of their number.
    folds : list
        The folds' names, in the order of ``accuracy`` and ``threshold``.
    accuracy, threshold : ndarray of shape (n_folds,)
    genuine_correct, impostor_correct : bool ndarray of shape (n_genuine,) and (n_impostor,)
        Whether each pair was judged correctly.
    """

    value: float
    standard_error: float
    folds: list
    accuracy: np.ndarray
    threshold: np.ndarray
    genuine_correct: np.ndarray
    impostor_correct: np.ndarray


def best_accuracy(
    genuine: NDArray[Any], impostor: NDArray[Any], *, balanced: bool = False
) -> tuple[float, float]:
    """Return the best accuracy that any threshold reaches, and that threshold.

    Parameters
    ----------
    genuine, impostor : array-like of shape (n_genuine,) and (n_impostor,)
        Scores of same- and different-person pairs; higher means more alike.
    balanced : bool, default=False
        Weigh genuine and impostor pairs equally, however many there are of each.

    Returns
    -------
    accuracy : float in [0, 1]
    threshold : float
        Halfway between the lowest score accepted and the highest one rejected; the lowest
        such place when several are equally good.

    Notes
    -----
    The accuracy is optimistic: judge other pairs by the threshold, see
    :func:`kfold_accuracy`.
    """
    return _best(RankedScores(genuine, impostor), balanced)


def _best(ranked, balanced):
    # Between two genuine scores a higher threshold is never worse, so these are enough.
    candidates = np.append(ranked.genuine, ranked.genuine.dtype.type(np.inf))
    accuracy = _accuracy(ranked.tmr(candidates), ranked.fmr(candidates), ranked, balanced)
    best = int(np.argmax(accuracy))
    return float(accuracy[best]), _halfway_below(ranked, candidates[best])


def _accuracy(tmr, fmr, ranked, balanced):
    if balanced:
        return (tmr + 1 - fmr) / 2
    n_genuine, n_impostor = ranked.genuine.size, ranked.impostor.size
    return (n_genuine * tmr + n_impostor * (1 - fmr)) / (n_genuine + n_impostor)


def _halfway_below(ranked, score):
    below = [
        scores[np.searchsorted(scores, score) - 1]
        for scores in (ranked.genuine, ranked.impostor)
        if scores[0] < score
    ]
    if not below:
        return float(score)
    lower = max(below)
    if not np.isfinite(score):
        return float(np.nextafter(lower, np.inf))
    middle = lower / 2 + score / 2
    return float(middle if lower < middle <= score else score)


def kfold_accuracy(
    genuine: ArrayLike,
    impostor: ArrayLike,
    genuine_fold: ArrayLike,
    impostor_fold: ArrayLike,
    *,
    balanced: bool = False,
) -> FoldAccuracy:
    """Return the accuracy over folds, the threshold of each chosen on all the others.

    Parameters
    ----------
    genuine, impostor : array-like of shape (n_genuine,) and (n_impostor,)
        Scores of same- and different-person pairs; higher means more alike.
    genuine_fold, impostor_fold : array-like of shape (n_genuine,) and (n_impostor,)
        The fold of each pair.
    balanced : bool, default=False
        Weigh genuine and impostor pairs equally, in choosing and in judging.

    Returns
    -------
    FoldAccuracy

    Raises
    ------
    InputError
        With fewer than two folds, or a fold without genuine or impostor pairs.

    References
    ----------
    .. [1] Huang et al., "Labeled Faces in the Wild", University of Massachusetts technical
       report 07-49, 2007, section 4 (view 2).
    """
    genuine, impostor = check_pair(genuine, impostor)
    genuine_fold, impostor_fold = np.asarray(genuine_fold), np.asarray(impostor_fold)
    folds = _check_folds(genuine, impostor, genuine_fold, impostor_fold)
    correct = np.zeros(genuine.size, bool), np.zeros(impostor.size, bool)
    sorted_g, fold_g = _sorted_with(genuine_fold, genuine)
    sorted_i, fold_i = _sorted_with(impostor_fold, impostor)
    accuracies, thresholds = [], []
    for fold in folds:
        g, i = genuine_fold == fold, impostor_fold == fold
        others = RankedScores.from_sorted(sorted_g[fold_g != fold], sorted_i[fold_i != fold])
        _, threshold = _best(others, balanced)
        correct[0][g] = genuine[g] >= threshold
        correct[1][i] = impostor[i] < threshold
        accuracies.append(_share_correct(correct[0][g], correct[1][i], balanced))
        thresholds.append(threshold)
    accuracy = np.array(accuracies)
    return FoldAccuracy(
        value=float(accuracy.mean()),
        standard_error=float(accuracy.std(ddof=1) / np.sqrt(len(folds))),
        folds=folds,
        accuracy=accuracy,
        threshold=np.array(thresholds),
        genuine_correct=correct[0],
        impostor_correct=correct[1],
    )


def _sorted_with(fold, scores):
    order = np.argsort(scores)
    return scores[order], fold[order]


def _share_correct(genuine, impostor, balanced):
    if balanced:
        return (genuine.mean() + impostor.mean()) / 2
    return (genuine.sum() + impostor.sum()) / (genuine.size + impostor.size)


def _check_folds(genuine, impostor, genuine_fold, impostor_fold):
    for scores, fold, name in (
        (genuine, genuine_fold, "genuine_fold"),
        (impostor, impostor_fold, "impostor_fold"),
    ):
        if fold.shape != scores.shape:
            raise InputError(f"{name} must have shape {scores.shape}, got {fold.shape}.")
    folds, others = np.unique(genuine_fold).tolist(), np.unique(impostor_fold).tolist()
    if folds != others or len(folds) < 2:
        raise InputError(
            "accuracy needs at least 2 folds, each with genuine and impostor pairs; genuine "
            f"pairs have the folds {folds}, impostor pairs {others}."
        )
    return folds


def random_folds(n_genuine: Any, n_impostor: Any, n_folds: int = 10, seed: int = 0) -> Any:
    """Return a random fold number for each genuine and each impostor pair, evenly shared.

    Returns
    -------
    genuine_fold, impostor_fold : int8 ndarray of shape (n_genuine,) and (n_impostor,)

    Raises
    ------
    InputError
        If there are fewer genuine or impostor pairs than folds, or ``n_folds`` is not in
        2..127.
    """
    check_argument(n_folds, N_FOLDS, "n_folds")
    check_argument(n_genuine, NOT_NEGATIVE_INT, "n_genuine")
    check_argument(n_impostor, NOT_NEGATIVE_INT, "n_impostor")
    if min(n_genuine, n_impostor) < n_folds:
        raise InputError(
            f"{n_folds} folds need as many genuine and impostor pairs each, got {n_genuine} "
            f"and {n_impostor}."
        )
    rng = np.random.default_rng(check_seed(seed))
    sizes = (n_genuine, n_impostor)
    return tuple(rng.permutation((np.arange(n) % n_folds).astype(np.int8)) for n in sizes)
