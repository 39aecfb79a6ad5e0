"""What ``fit`` learns: a class declares it once; it is saved, restored and checked by that.

A class names its fitted attributes::

    fitted = {"n_features_in_": COUNT, "mean_": Array("d"), "basis_": Array("k", "d")}

A letter stands for any length, the same one throughout a model; ``d`` is ``n_features_in_``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import check_parameters
from sfumato.errors import InputError


class Array:
    """An array; its shape is given in numbers and letters."""

    def __init__(self, *shape: int | str) -> None:
        self.shape = shape

    def check(self, name: str, value: NDArray[Any], lengths: dict[str, int]) -> None:
        """Refuse another shape; letters without a length take that of ``value``."""
        known = {k: lengths[k] for k in self.shape if k in lengths}
        fits = len(value.shape) == len(self.shape)
        for wanted, length in zip(self.shape, value.shape, strict=False):
            fits = fits and length == (
                lengths.setdefault(wanted, length) if isinstance(wanted, str) else wanted
            )
        if not fits:
            where = ", ".join(f"{letter} = {length}" for letter, length in known.items())
            listed = ", ".join(str(length) for length in self.shape)
            raise InputError(
                f"array {name!r} has shape {value.shape}, must have ({listed})"
                + (f" with {where}." if where else ".")
            )


class Arrays:
    """A dict of arrays, such as the weights of a network; saved as ``attribute/key``."""


@dataclass(frozen=True)
class Value:
    """A plain value that JSON holds."""

    kind: type

    def check(self, name: str, value: object) -> None:
        """Refuse a value of another type."""
        wrong = not isinstance(value, self.kind) or isinstance(value, bool)
        if wrong or (self.kind is int and value < 0):  # type: ignore[operator]
            wanted = {int: "a whole number >= 0", str: "text"}.get(self.kind, self.kind.__name__)
            raise InputError(f"state {name!r} must be {wanted}, got {value!r}.")


COUNT, TEXT = Value(int), Value(str)


def construct(cls: type, parameters: Mapping[str, Any]) -> Any:
    """Return an unfitted estimator.

    Raises
    ------
    InputError
        For an unknown parameter, with the list of known ones, or a value that breaks its rule.
    """
    estimator = cls()
    known = estimator.get_params(deep=False)
    for name in parameters:
        if name not in known:
            raise InputError(
                f"{cls.__name__} has no parameter {name!r}; it has {', '.join(known) or 'none'}."
            )
    estimator.set_params(**parameters)
    check_parameters(estimator)
    return estimator


def declared_state(cls: type) -> Mapping[str, Array | Arrays | Value]:
    """Return a class's fitted attributes by name, its own and those it inherits."""
    merged: dict[str, Array | Arrays | Value] = {}
    for base in reversed(cls.__mro__):
        merged |= vars(base).get("fitted", {})
    return merged


def fitted_state(estimator: Any) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the fitted attributes as ``(arrays, values)``, two dicts by name.

    Raises
    ------
    InputError
        If the estimator is not fitted.
    """
    arrays: dict[str, NDArray[Any]] = {}
    values: dict[str, Any] = {}
    for name, kind in declared_state(type(estimator)).items():
        if name not in vars(estimator):
            raise InputError(f"{type(estimator).__name__} is not fitted; call fit first.")
        value = vars(estimator)[name]
        if isinstance(kind, Array):
            arrays[name] = value
        elif isinstance(kind, Arrays) and value:
            arrays |= {f"{name}/{key}": array for key, array in value.items()}
        else:
            values[name] = value.item() if isinstance(value, np.generic) else value
    return arrays, values


def restore(estimator: Any, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
    """Give an estimator the fitted attributes of :func:`fitted_state`.

    Raises
    ------
    InputError
        For a missing or an unknown one, another type, or a shape that does not fit the others.
    """
    declared = declared_state(type(estimator))
    _check_names(declared, arrays, values)
    lengths: dict[str, int] = {}
    for name, kind in declared.items():
        if isinstance(kind, Array):
            kind.check(name, arrays[name], lengths)
            vars(estimator)[name] = arrays[name]
        elif isinstance(kind, Arrays):
            nested = {n.partition("/")[2]: a for n, a in arrays.items() if _belongs(n, name)}
            vars(estimator)[name] = nested
        else:
            kind.check(name, values[name])
            vars(estimator)[name] = values[name]
            if name == "n_features_in_":
                lengths["d"] = values[name]


def check_arrays(layout: Mapping[str, Array], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a missing or an unknown array, or a shape that does not fit the others."""
    _check_names(layout, arrays, {})
    lengths: dict[str, int] = {}
    for name, kind in layout.items():
        kind.check(name, arrays[name], lengths)


def _belongs(name: str, attribute: str) -> bool:
    return name.startswith(f"{attribute}/")


def _check_names(
    declared: Mapping[str, Array | Arrays | Value],
    arrays: Mapping[str, Any],
    values: Mapping[str, Any],
) -> None:
    for name, kind in declared.items():
        if isinstance(kind, Array) and name not in arrays:
            raise InputError(f"misses the array {name!r}.")
        if isinstance(kind, Value) and name not in values:
            raise InputError(f"misses {name!r} in its state.")
        if isinstance(kind, Arrays) and name not in values:
            if not any(_belongs(each, name) for each in arrays):
                raise InputError(f"misses the arrays '{name}/...'.")
        elif isinstance(kind, Arrays) and values[name] != {}:
            raise InputError(f"state {name!r} must be arrays, got {values[name]!r}.")
    for name in arrays:
        attribute, nested, _ = name.partition("/")
        if not isinstance(declared.get(attribute), Arrays if nested else Array):
            raise InputError(f"holds an unknown array {name!r}.")
    for name in values:
        if not isinstance(declared.get(name), Arrays | Value):
            raise InputError(f"holds an unknown value {name!r} in its state.")
