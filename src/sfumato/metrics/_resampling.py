"""The scores of one test, sorted, so that its people can be drawn again and again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import at_least, check_argument
from sfumato.errors import InputError
from sfumato.metrics.scores import Scores
from sfumato.metrics.verification import RankedScores


@dataclass(frozen=True)
class Sample:
    """The scores of one test, sorted, with what a resample needs beside them."""

    ranked: RankedScores
    moments: tuple[np.ndarray, np.ndarray]
    genuine_identity: np.ndarray
    impostor_a: np.ndarray
    impostor_b: np.ndarray
    multiplicity: np.ndarray | None
    wrong: tuple[np.ndarray, np.ndarray] | None
    n_identities: int

    @classmethod
    def draw(
        cls, scores: Any, correct: Any, max_impostor: Any, seed: int, *, present: Any = None
    ) -> Any:
        """Sort the scores, keeping at most ``max_impostor`` impostor scores.

        ``present`` says which identities may be drawn; default: those with a score.
        """
        _check_lengths(scores, correct)
        if present is None:
            present = people_of(scores)
        number = np.cumsum(present) - 1
        chosen, multiplicity = _thin(np.asarray(scores.impostor), max_impostor, seed)
        order = np.argsort(scores.genuine, kind="stable")
        a, b = number[np.asarray(scores.impostor_identity)[chosen].T]
        wrong = None
        if correct is not None:
            wrong = (
                np.flatnonzero(~np.asarray(correct[0], dtype=bool)[order]),
                np.flatnonzero(~np.asarray(correct[1], dtype=bool)[chosen]),
            )
        ranked = RankedScores(scores.genuine, np.asarray(scores.impostor)[chosen])
        return cls(
            ranked=ranked,
            moments=_moments(ranked),
            genuine_identity=number[np.asarray(scores.genuine_identity)[order]],
            impostor_a=a.copy(),
            impostor_b=b.copy(),
            multiplicity=multiplicity,
            wrong=wrong,
            n_identities=int(present.sum()),
        )

    def evaluate(self, weight: Any, statistics: Any, fmr: Any, balanced: Any) -> list[Any] | None:
        """Return the statistics of one resample, or None if a side has no pair in it."""
        genuine, impostor = self._counts(weight)
        if not (genuine.any() and impostor.any()):
            return None
        weighted = self.ranked.weighted(genuine, impostor)
        compute = {
            "eer": lambda: weighted.eer().value,
            "tmr_at_fmr": lambda: weighted.tmr_at_fmr(fmr),
            "fnmr_at_fmr": lambda: float(weighted.fnmr(weighted.threshold_at_fmr(fmr))),
            "d_prime": lambda: _d_prime(self.moments, genuine, impostor),
            "accuracy": lambda: _accuracy(self.wrong, genuine, impostor, balanced),
        }
        return [compute[name]() for name in statistics]

    def weighted(self, weight: Any) -> RankedScores | None:
        """Return the scores of one resample, or None if a side has no pair in it."""
        genuine, impostor = self._counts(weight)
        if not (genuine.any() and impostor.any()):
            return None
        return self.ranked.weighted(genuine, impostor)

    def _counts(self, weight):
        genuine = weight[self.genuine_identity]
        impostor = weight[self.impostor_a] * weight[self.impostor_b]
        if self.multiplicity is not None:
            impostor *= self.multiplicity
        return genuine, impostor


def people_of(scores: Scores) -> NDArray[np.bool_]:
    """Return which identities have a score, bool of shape (n_identities,)."""
    present = np.zeros(scores.n_identities, dtype=bool)
    present[scores.genuine_identity] = present[scores.impostor_identity] = True
    return present


def _check_lengths(scores: Scores, correct):
    n_genuine, n_impostor = len(scores.genuine), len(scores.impostor)
    shapes = np.shape(scores.genuine_identity), np.shape(scores.impostor_identity)
    if shapes != ((n_genuine,), (n_impostor, 2)):
        raise InputError(
            f"genuine_identity and impostor_identity must have the shapes {(n_genuine,)} and "
            f"{(n_impostor, 2)}, got {shapes[0]} and {shapes[1]}."
        )
    if correct is not None and [len(part) for part in correct] != [n_genuine, n_impostor]:
        raise InputError("correct must hold one value for each genuine and impostor score.")


def _thin(impostor, max_impostor, seed):
    """Return which scores to keep, in ascending order, and how many each stands for."""
    check_argument(max_impostor, at_least(2), "max_impostor")
    n, n_best = impostor.size, max_impostor // 2
    if n <= max_impostor:
        return np.argsort(impostor, kind="stable"), None
    order = np.argpartition(impostor, n - n_best)
    # A whole number, so that weights stay whole; it changes the share of the rest by less
    # than one in the number sampled.
    stands_for = -(-(n - n_best) // (max_impostor - n_best))
    rng = np.random.default_rng(seed)
    rest = rng.choice(order[: n - n_best], (n - n_best) // stands_for, replace=False)
    chosen = np.concatenate([rest, order[n - n_best :]])
    multiplicity = np.ones(chosen.size, dtype=np.int64)
    multiplicity[: rest.size] = stands_for
    ascending = np.argsort(impostor[chosen], kind="stable")
    return chosen[ascending], multiplicity[ascending]


def _moments(ranked):
    """Return scores and their squares, about the mean of all: (2, n) a side."""
    centre = np.mean([ranked.genuine.mean(), ranked.impostor.mean()], dtype=np.float64)
    sides = [scores - centre for scores in (ranked.genuine, ranked.impostor)]
    return tuple(np.stack([side, np.square(side)]).astype(np.float64) for side in sides)


def _d_prime(moments, genuine_weight, impostor_weight):
    sides = zip(moments, (genuine_weight, impostor_weight), strict=True)
    means = [moment @ weight.astype(float) / weight.sum() for moment, weight in sides]
    (mean_g, square_g), (mean_i, square_i) = means
    spread = (square_g - mean_g**2 + square_i - mean_i**2) / 2
    if spread <= 0:
        raise InputError("d_prime needs scores that vary; a resample held constant ones.")
    return abs(mean_g - mean_i) / np.sqrt(spread)


def _accuracy(wrong, genuine_weight, impostor_weight, balanced):
    wrong_g, wrong_i = genuine_weight[wrong[0]].sum(), impostor_weight[wrong[1]].sum()
    all_g, all_i = genuine_weight.sum(), impostor_weight.sum()
    if balanced:
        return 1 - (wrong_g / all_g + wrong_i / all_i) / 2
    return 1 - (wrong_g + wrong_i) / (all_g + all_i)
