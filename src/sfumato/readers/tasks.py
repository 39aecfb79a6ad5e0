"""What a reader tells of a face: attributes with classes, and ages as ranks."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.metrics.ordinal import (
    predicted_rank,
    rank_interval,
    rank_probabilities,
)
from sfumato.readers._ranks import Ranks
from sfumato.validation import check_choice

#: Models of an age; see :mod:`sfumato.losses.ordinal`.
AGE_MODELS = ("ce", "or", "coral", "corn")
MISSING = -1


@dataclass(frozen=True)
class ClassTask:
    """An attribute of two or more classes.

    Parameters
    ----------
    name : str
    classes : tuple of str
        In the order of the network's outputs.
    temperature : float, default=1.0
        Logits are divided by it, so that probabilities are what they say.
    """

    name: str
    classes: tuple[str, ...]
    temperature: float = 1.0

    @classmethod
    def of(cls, name: str, labels: Any) -> Any:
        """Return the task whose classes are those that occur."""
        known = sorted({str(value) for value in labels if not _is_missing(value)})
        if len(known) < 2:
            raise InputError(f"{name} needs at least 2 classes, got {', '.join(known) or 'none'}.")
        return cls(name, tuple(known))

    def codes(self, labels: Any) -> Any:
        """Return class numbers, -1 where there is no label; int64 of shape (n_samples,)."""
        number = {value: n for n, value in enumerate(self.classes)}
        found = np.full(len(labels), MISSING)
        for row, value in enumerate(labels):
            if _is_missing(value):
                continue
            if str(value) not in number:
                raise InputError(
                    f"{self.name}, row {row}: {value!r} is none of {', '.join(self.classes)}."
                )
            found[row] = number[str(value)]
        return found


@dataclass(frozen=True)
class AgeTask:
    """The age, as the probabilities of its ranks.

    Parameters
    ----------
    name : str
    ages_years : tuple of int
        The ages of the ranks.
    model : {"ce", "or", "coral", "corn"}, default="coral"
    weighted : bool, default=False
        Whether levels have CORAL's task importance weights.
    temperature : float, default=1.0
        Logits are divided by it, so that intervals hold what they say; the age stays the same.
        Not of CORN, whose logits are conditional.
    """

    name: str
    ages_years: tuple[int, ...]
    model: str = "coral"
    weighted: bool = False
    temperature: float = 1.0

    def __post_init__(self):
        check_choice(self.model, AGE_MODELS, "model of the age")

    @classmethod
    def of(cls, name: str, labels: Any, **options: Any) -> Any:
        """Return the task whose ages are those that occur."""
        ages = {int(value) for value in labels if not _is_missing(value)}
        return cls(name, tuple(Ranks(sorted(ages)).ages_years.tolist()), **options)

    def codes(self, labels: Any) -> Any:
        """Return ranks, -1 where there is no age; an age between two takes the nearer one.

        Beyond the first or the last it takes that.
        """
        found = np.full(len(labels), MISSING)
        known = np.array([not _is_missing(value) for value in labels], dtype=bool)
        ages = np.asarray(labels)[known].astype(float)
        ranks = np.array(self.ages_years)
        found[known] = np.abs(ages[:, None] - ranks).argmin(axis=1)
        return found


def make_task(name: str, labels: Any, age_model: str = "coral", weighted: bool = False) -> Any:
    """Return the task for an attribute: an age if its name ends in ``_years``."""
    if name.endswith("_years"):
        return AgeTask.of(name, labels, model=age_model, weighted=weighted)
    return ClassTask.of(name, labels)


def task_to_dict(task: Any) -> dict[str, Any]:
    """Return a task's JSON form."""
    return {"kind": "classes" if isinstance(task, ClassTask) else "age", **asdict(task)}


def task_from_dict(found: Any) -> Any:
    """Return the task of :func:`task_to_dict`'s form."""
    found = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
    kind = found.pop("kind")
    return ClassTask(**found) if kind == "classes" else AgeTask(**found)


@dataclass(frozen=True)
class Reading:
    """What a reader says of some faces, about one attribute.

    Parameters
    ----------
    task : ClassTask or AgeTask
    probabilities : ndarray of shape (n_faces, n_classes)
        Of the task's classes, or of its ages.
    levels : ndarray of shape (n_faces, n_ages - 1), optional
        Of an age: the probability of being at least as old as the second age, the third, ...
    """

    task: Any
    probabilities: np.ndarray
    levels: np.ndarray | None = field(default=None)

    @property
    def label(self) -> Any:
        """The most probable class, or the age in years; shape (n_faces,)."""
        if self.levels is None:
            return np.array(self.task.classes)[self.probabilities.argmax(axis=1)]
        ages = np.array(self.task.ages_years)
        if self.task.model == "ce":
            return ages[self.probabilities.argmax(axis=1)]
        return ages[predicted_rank(self.levels)]

    @property
    def confidence(self) -> Any:
        """The probability of the label, shape (n_faces,); of an age, that within 5 years."""
        if self.levels is None:
            return self.probabilities.max(axis=1)
        near = np.abs(np.array(self.task.ages_years) - self.label[:, None]) <= 5
        return (self.probabilities * near).sum(axis=1).clip(0, 1)

    def interval(self, share: float = 0.9) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the ages between which the face is with this probability.

        Returns
        -------
        low, high : ndarray of shape (n_faces,)
            Years.
        """
        if self.levels is None:
            raise InputError(f"{self.task.name} is no age; it has no interval.")
        ages = np.array(self.task.ages_years)
        low, high = rank_interval(self.levels, share)
        return ages[low], ages[high]


def reading_of(task: Any, logits: Any) -> Reading:
    """Return the reading of a network's logits, an array."""
    if isinstance(task, ClassTask):
        scaled = logits / task.temperature
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return Reading(task, scaled / scaled.sum(axis=1, keepdims=True))
    levels = _levels(task.model, logits / task.temperature)
    return Reading(task, rank_probabilities(levels), levels)


def _levels(model, logits):
    """Return level probabilities; twins of those in :mod:`sfumato.losses.ordinal`, in NumPy."""
    if model == "ce":
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:].clip(max=1)
    if model == "or":
        logits = logits[..., 1] - logits[..., 0]
    p = 1 / (1 + np.exp(-logits.clip(-60, 60)))
    return p.cumprod(axis=1) if model == "corn" else p


def _is_missing(value):
    return value is None or value != value or value == ""
