"""The rows of an audit: embeddings, raw and protected, with their labels and people."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato.data.label_hints import say_numbers
from sfumato.data.labels import as_classes, as_names, as_text
from sfumato.errors import InputError
from sfumato.validation import check_embeddings


@dataclass(frozen=True)
class Rows:
    """Rows whose attribute is known."""

    X: np.ndarray
    y: np.ndarray
    identity: np.ndarray
    protected: np.ndarray | None = None

    @classmethod
    def checked(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        identity: ArrayLike | None = None,
        protected: Any = None,
        *,
        name: str = "y",
    ) -> Any:
        """Return checked rows without those whose attribute is missing."""
        X, y = check_embeddings(X), np.atleast_1d(as_classes(y, name))
        identity = np.atleast_1d(as_text(np.arange(len(X)) if identity is None else identity))
        arrays = {"y": y, "identity": identity}
        if protected is not None:
            arrays["protected"] = protected = check_embeddings(protected, "protected")
        for what, values in arrays.items():
            if len(values) != len(X):
                raise InputError(f"{what} must have one entry a row, {len(X)}, got {len(values)}.")
        present = np.array([value is not None for value in y.tolist()])
        rows = cls(X, y, identity, protected).take(present)
        return cls(rows.X, rows.y.astype(str), as_names(rows.identity), rows.protected)

    def take(self, rows: Any) -> Any:
        """Return the rows of a mask or of row numbers."""
        erased = None if self.protected is None else self.protected[rows]
        return Rows(self.X[rows], self.y[rows], self.identity[rows], erased)


def check_classes(train: Any, tested: Any, *, n_people: int = 6, name: str = "y") -> Any:
    """Return an attribute's sorted classes, or refuse what cannot be trained and tested on."""
    classes = sorted(set(train.y.tolist()) | set(tested.y.tolist()))
    if len(classes) < 2:
        raise InputError(f"{name} needs at least 2 classes, got {', '.join(classes) or 'none'}.")
    for side, rows in {"development": train, "test": tested}.items():
        for value in classes:
            people = len(np.unique(rows.identity[rows.y == value]))
            if people < n_people:
                hints = say_numbers(name, classes)
                raise InputError(
                    f"{name}: class {value!r} has {people} {side} people, at least {n_people} are "
                    f"needed; add people, merge classes or leave the class out."
                    + "".join(f" {hint}" for hint in hints)
                )
    return classes
