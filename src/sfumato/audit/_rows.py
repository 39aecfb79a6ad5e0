"""The rows of an audit: embeddings, raw and protected, with their labels and people."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato._constraints import Each, Instance, StrOptions, check_argument
from sfumato.data.label_hints import say_numbers
from sfumato.data.labels import as_array, as_classes, as_names, as_text
from sfumato.data.splits import split_identities
from sfumato.errors import InputError
from sfumato.validation import check_embeddings

SIDES = Each(StrOptions(("X", "y", "identity", "protected", "crossed", "by", "given")))


@dataclass(frozen=True)
class Rows:
    """Rows whose attribute is known."""

    X: np.ndarray
    y: np.ndarray
    identity: np.ndarray
    protected: np.ndarray | None = None
    #: Other labels of the rows by use (``crossed``, ``by``, ``given``) and name.
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The same rows in other releases.
    others: tuple[np.ndarray, ...] = ()

    @classmethod
    def checked(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        identity: ArrayLike | None = None,
        protected: Any = None,
        *,
        name: str = "y",
        others: Any = (),
        **labels: Any,
    ) -> Any:
        """Return checked rows without those whose attribute is missing."""
        X, y = check_embeddings(X), np.atleast_1d(as_classes(y, name))
        identity = np.atleast_1d(as_text(np.arange(len(X)) if identity is None else identity))
        arrays = {"y": y, "identity": identity}
        if protected is not None:
            arrays["protected"] = protected = check_embeddings(protected, "protected")
        given = {
            use: _columns(values, use) for use, values in labels.items() if values is not None
        }
        for use, columns in given.items():
            arrays |= {f"{use}: {column}": values for column, values in columns.items()}
        others = tuple(check_embeddings(other, "across") for other in others)
        for what, values in [*arrays.items(), *(("across", other) for other in others)]:
            if len(values) != len(X):
                raise InputError(f"{what} must have one entry a row, {len(X)}, got {len(values)}.")
        present = np.array([value is not None for value in y.tolist()])
        rows = cls(X, y, identity, protected, given, others).take(present)
        return replace(rows, y=rows.y.astype(str), identity=as_names(rows.identity))

    def take(self, rows: Any) -> Any:
        """Return the rows of a mask or of row numbers."""
        erased = None if self.protected is None else self.protected[rows]
        labels = {
            use: {name: values[rows] for name, values in columns.items()}
            for use, columns in self.labels.items()
        }
        others = tuple(other[rows] for other in self.others)
        return Rows(self.X[rows], self.y[rows], self.identity[rows], erased, labels, others)


def _columns(values, use):
    """Return the arrays of ``{name: array-like}``, each one-dimensional."""
    check_argument(values, Instance(dict), use)
    if not values:
        raise InputError(f"{use} must name at least one label, got none.")
    columns = {}
    for name, column in values.items():
        columns[name] = as_array(column)
        if columns[name].ndim != 1:
            shape = columns[name].shape
            raise InputError(f"{use}: {name} must be one-dimensional, got shape {shape}.")
    return columns


def split_rows(
    rows: dict[str, Any], test: Any = None, share: float = 0.3, *, seed: int, name: str = "y"
) -> tuple[Rows, Rows]:
    """Return the rows that attackers train on, and those they are tested on.

    Parameters
    ----------
    rows, test : dict
        Arguments of :meth:`Rows.checked`. With ``test`` all people of ``rows`` are trained on and
        all of ``test`` tested on, else a ``share`` of the people is held out.
    share : float in (0, 1), default=0.3
    seed : int
    name : str, default="y"
        The attribute, for messages.
    """
    train = Rows.checked(**rows, name=name)
    if test is None:
        # Another draw than the one that parts eraser from attacker people.
        held_out, kept = split_identities(train.identity, share, seed=f"test {seed}")
        return train.take(kept), train.take(held_out)
    check_argument(test, Instance(dict), "test")
    check_argument(list(test), SIDES, "test: keys")
    tested = Rows.checked(**{"X": None, "y": None} | test, name=name)
    if (tested.protected is None) != (train.protected is None):
        raise InputError("protected must be given for both data sets or for neither.")
    return train, tested


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
