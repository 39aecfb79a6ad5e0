"""What the two case studies on equality of opportunity share: rows with a bias, and verdicts.

CelebA here is a sample of it, so that fewer rows than the papers' 36,000 or 40,000 have the
shares wanted: as many as there are, up to theirs.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato.audit.views import span
from sfumato.data.labels import as_text, class_codes
from sfumato.data.sampling import biased_rows
from sfumato.metrics.fairness import BootstrappedFairness
from sfumato.reproduce._probes import fitted
from sfumato.reproduce.demographics import VALIDATION, sample_people, unit_faces

SHARE = 0.7
ACCURACY, MARGIN = "accuracy", "half interval"


@dataclass(frozen=True)
class Case:
    """A label to learn, and the attribute that biases it.

    Parameters
    ----------
    label : str
        A column of CelebA; True is the positive class.
    protected : str
        Another one, of two classes.
    names : dict of str to str
        What the tables call the classes of ``protected``, the privileged one first.
    balance : str, optional
        A column whose classes are made equally frequent everywhere.
    """

    label: str
    protected: str
    names: dict[str, str]
    balance: str | None = None

    @property
    def columns(self) -> list[Any]:
        """The columns needed."""
        return [name for name in (self.label, self.protected, self.balance) if name]

    def draw(self, faces: Any, n_rows: Any, share: Any, seed: int) -> Any:
        """Return ``n_rows`` faces, or as many as can have the shares."""
        privileged, protected = next(iter(self.names)), as_text(faces[self.protected]).astype(str)
        others = None if self.balance is None else as_text(faces[self.balance]).astype(str)
        y = as_text(faces[self.label]).astype(str)
        n_rows = min(n_rows, _most(y == "true", protected == privileged, others, share))
        options: dict[str, Any] = {"privileged": privileged, "positive": "true", "balance": others}
        return faces.take(biased_rows(y, protected, n_rows, share=share, seed=seed, **options))

    def judge(self, test: Any, decision: Any, seed: int) -> dict[str, Any]:
        """Return accuracy, the true positive rates and their signed gap, by column."""
        y = test[self.label].astype(int)
        privileged, other = self.names
        found = BootstrappedFairness(
            y,
            as_text(test[self.protected]).astype(str),
            identity=test["identity"],
            reference=privileged,
            seed=seed,
        ).equal_opportunity(decision)
        gap = found.signed[other]
        rates = {f"TPR {name}": found.rates[key].value for key, name in self.names.items()}
        margin = (gap.interval[1] - gap.interval[0]) / 2
        return {ACCURACY: np.mean(decision == y), **rates, "gap": gap.value, MARGIN: margin}


def read_celeba(context: Any, *columns: Any) -> Any:
    """Return CelebA with these columns, a sample of its people for the quick preset."""
    names = ("identity", "partition", *dict.fromkeys(columns))
    faces = unit_faces(context.templates.faces("celeba", *names).known(*names))
    return sample_people(faces, context.pick(3_000, len(faces)), 0)


def sides(faces: Any) -> tuple[Any, ...]:
    """Return CelebA's faces for training and, of its other people, for the test."""
    held_out = np.isin(as_text(faces["partition"]).astype(str), (*VALIDATION, "test"))
    return faces.take(~held_out), faces.take(held_out)


def decide(estimator: Any, train: Any, y: ArrayLike, test: Any) -> Any:
    """Return what an estimator trained on rows with labels ``y`` says of other rows."""
    basis = span(train)
    return fitted(estimator, train @ basis, y).predict(test @ basis)


def _most(positive, privileged, others, share):
    """Return how many rows can be drawn at these shares."""
    codes = np.zeros(len(positive), int) if others is None else class_codes(others, "balance")[1]
    n_codes, found = codes.max() + 1, []
    for code, a, b in product(range(n_codes), (False, True), (False, True)):
        wanted = (share if a == b else 1 - share) / 2 / n_codes
        count = np.sum((codes == code) & (positive == a) & (privileged == b))
        found.append(int(count / wanted))
    return min(found)
