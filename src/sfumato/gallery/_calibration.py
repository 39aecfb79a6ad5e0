"""Which score to ask for: thresholds at a false match rate, from pairs of known people."""

import json
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as tensor_bytes

from sfumato._constraints import FINITE, check_argument
from sfumato.data.tensors import read_tensors
from sfumato.errors import InputError
from sfumato.files import atomic_path
from sfumato.metrics.scores import MAX_IMPOSTOR, all_vs_all
from sfumato.metrics.verification import fnmr_at_fmr, threshold_at_fmr
from sfumato.validation import check_fraction

FEW = 30  # False matches below which a rate is off by more than about 30 %, 9 times in 10.


@dataclass(frozen=True)
class Threshold:
    """A score from which two templates are taken for one person's.

    Parameters
    ----------
    score : float
    fmr : float or None
        Asked for; None for a threshold that was given.
    fnmr : float or None
        Share of the calibration's genuine pairs below it.
    n_impostor : int or None
        Pairs that it rests on.
    note : str or None
        What should make one doubt it.
    """

    score: float
    fmr: float | None = None
    fnmr: float | None = None
    n_impostor: int | None = None
    note: str | None = None

    def to_dict(self) -> Any:
        """Return the JSON-ready fields."""
        return asdict(self)


@dataclass(frozen=True)
class Calibration:
    """Scores of genuine and impostor pairs of a table that the gallery need not hold.

    Parameters
    ----------
    genuine, impostor : ndarray of float32 of shape (n_pairs,)
    counts : dict
        ``n_templates``, ``n_identities``, ``n_genuine``, ``n_impostor`` and
        ``n_impostor_all``, of which the impostor pairs are a sample where they are fewer.
    """

    genuine: np.ndarray
    impostor: np.ndarray
    counts: dict = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        X: NDArray[Any],
        identity: NDArray[Any] | None,
        metric: Any,
        *,
        max_impostor: Any = MAX_IMPOSTOR,
        seed: int = 0,
    ) -> Any:
        """Compare all rows with all others, see :func:`sfumato.metrics.scores.all_vs_all`."""
        scores = all_vs_all(X, identity, metric, max_impostor=max_impostor, seed=seed)
        counts = {
            "n_templates": len(X),
            "n_identities": scores.n_identities,
            "n_genuine": scores.genuine.size,
            "n_impostor": scores.impostor.size,
            "n_impostor_all": scores.n_impostor_all,
        }
        return cls(np.sort(scores.genuine), np.sort(scores.impostor), counts)

    def threshold(self, fmr: Any) -> Threshold:
        """Return the lowest threshold with a false match rate of at most ``fmr``.

        Raises
        ------
        InputError
            If there are too few pairs for so low a rate, with the number needed.
        """
        n = self.impostor.size
        check_fraction(fmr, "fmr")
        if fmr < 1 / n:
            raise InputError(
                f"fmr {fmr:g} needs at least {ceil(min(1 / fmr, 1e15)):,} impostor pairs, the "
                f"gallery's calibration has {n:,}; ask for {1 / n:.2g} or more, or calibrate on "
                "more people."
            )
        note = None
        if fmr * n < FEW:
            note = (
                f"rests on {fmr * n:.0f} false matches of {n:,} impostor pairs; {FEW} of "
                f"{ceil(FEW / fmr):,} would hold it to about 30 %"
            )
        score = threshold_at_fmr(self.impostor, fmr)
        fnmr = fnmr_at_fmr(self.genuine, self.impostor, fmr)
        return Threshold(score, fmr, fnmr, n, note)

    def save(self, path: str | Path) -> None:
        """Write the scores, atomically; they say nothing of a single template."""
        arrays = {"genuine": self.genuine, "impostor": self.impostor}
        with atomic_path(path) as temporary:
            counts = {"calibration": json.dumps(self.counts)}
            temporary.write_bytes(tensor_bytes(arrays, metadata=counts))

    @classmethod
    def load(cls, path: str | Path) -> Any:
        """Read what :meth:`save` wrote."""
        counts, arrays = read_tensors(path, "calibration", "a gallery's calibration")
        both = [_are_scores(arrays.get(name)) for name in ("genuine", "impostor")]
        if not isinstance(counts, dict) or not all(both):
            raise InputError(f"{path}: is damaged; calibrate anew with --force.")
        return cls(arrays["genuine"], arrays["impostor"], counts)


def measure_templates(templates: Any, metric: Any, **more: Any) -> Calibration:
    """Return :meth:`Calibration.measure` of all batches of templates.

    Raises
    ------
    InputError
        If there are none.
    """
    parts = list(templates.batches())
    if not parts:
        raise InputError(f"{templates.name}: has no rows to calibrate on.")
    people = np.array([name for part in parts for name in part.people], dtype=object)
    return Calibration.measure(np.concatenate([part.X for part in parts]), people, metric, **more)


def _are_scores(values):
    known = values is not None and values.dtype == np.float32 and values.ndim == 1 and values.size
    return bool(known) and bool(np.isfinite(values).all() and (np.diff(values) >= 0).all())


def threshold_of(path: Path, fmr: Any = None, score: Any = None) -> Any:
    """Return the :class:`Threshold` at an FMR by the calibration in a file, or that of a score.

    Raises
    ------
    InputError
        If not one of the two is given, or there is no calibration, or too small a one.
    """
    if (fmr is None) == (score is None):
        raise InputError("give either fmr or threshold, one of them.")
    if fmr is None:
        check_argument(score, FINITE, "threshold")
        return Threshold(float(score))
    if not path.exists():
        raise InputError(
            f"{path.parent} has no calibration: run sfumato gallery calibrate with protected "
            "templates of known people, or give a threshold."
        )
    return Calibration.load(path).threshold(fmr)
