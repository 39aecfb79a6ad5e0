"""The protected attributes of the fitted rows: the columns of ``y``, checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.data.labels import class_codes, is_continuous, is_missing
from sfumato.erasers._rules import LARGEST
from sfumato.errors import InputError


@dataclass(frozen=True)
class Attribute:
    """One protected attribute of every row.

    Parameters
    ----------
    classes : list of str or None
        Sorted; None for numbers on a scale.
    values : ndarray of shape (n_samples,)
        The number of each row's class, int64; or float64 numbers on a scale.
    """

    classes: list[str] | None
    values: NDArray[Any]

    @property
    def codes(self) -> NDArray[np.int64]:
        """Number of each row's class."""
        assert self.classes is not None, "numbers on a scale have no classes"
        return self.values


def read_attributes(y: ArrayLike, n_rows: int, *, continuous: bool) -> list[Attribute]:
    """Return the columns of ``y``, each with two classes or more.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_attributes)
    n_rows : int
        As many labels as that are wanted.
    continuous : bool
        Whether numbers on a scale are accepted, see
        :func:`~sfumato.data.labels.is_continuous`; else they are refused.

    Raises
    ------
    InputError
        For another number of rows, a missing label, fewer than two classes, or numbers on a
        scale that are not accepted.
    """
    array = np.array(y, dtype=object) if isinstance(y, list | tuple) else np.asarray(y)
    if array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise InputError(f"y must have one label or several a row, got shape {array.shape}.")
    check_length(array, n_rows, "y")
    if array.ndim == 1:
        return [_read(array, "y", continuous)]
    return [_read(c, f"y, attribute {n}", continuous) for n, c in enumerate(array.T)]


def check_length(values: Any, n_rows: int, name: str) -> None:
    """Raise InputError unless there are ``n_rows`` entries."""
    array = values if isinstance(values, list | tuple) else np.atleast_1d(np.asarray(values))
    n = len(array)
    if n != n_rows:
        raise InputError(f"{name} must have one entry a row, {n_rows}, got {n}.")


def check_numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return numbers on a scale as floats; InputError for one that has no square in float32."""
    numbers = np.asarray(values, dtype=np.float64)
    bad = np.flatnonzero(~(np.abs(numbers) <= LARGEST))
    if bad.size:
        raise InputError(
            f"{name}, row {bad[0]}: must be at most {LARGEST:g} in size, got {numbers[bad[0]]:g}; "
            "leave the row out or scale the numbers."
        )
    return numbers


def cross(attributes: list[Attribute]) -> Attribute:
    """Return the one attribute whose classes are the combinations that occur.

    Examples
    --------
    >>> gender = Attribute(["f", "m"], np.array([0, 0, 1]))
    >>> race = Attribute(["black", "white"], np.array([1, 1, 0]))
    >>> cross([gender, race])
    Attribute(classes=['f x white', 'm x black'], values=array([0, 0, 1]))
    """
    if len(attributes) == 1:
        return attributes[0]
    codes = np.stack([attribute.codes for attribute in attributes], axis=1)
    distinct, numbers = np.unique(codes, axis=0, return_inverse=True)
    names = [
        " x ".join(a.classes[code] for a, code in zip(attributes, row, strict=True) if a.classes)
        for row in distinct.tolist()
    ]
    classes, order = np.unique(names, return_inverse=True)
    return Attribute(classes.tolist(), order[numbers.reshape(-1)].astype(np.int64))


def _read(values, name, continuous):
    if not (continuous and is_continuous(values)):
        return Attribute(*class_codes(values, name))
    missing = np.flatnonzero(is_missing(values))
    if missing.size:
        raise InputError(f"{name}, row {missing[0]}: the label is missing; leave the row out.")
    numbers = check_numbers(values, name)
    if numbers.min() == numbers.max():
        raise InputError(f"{name} is {numbers[0]:g} in every row; it cannot be read or erased.")
    return Attribute(None, numbers)
