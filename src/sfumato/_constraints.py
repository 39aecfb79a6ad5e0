"""Rules for constructor parameters: a class declares them once, one function checks them.

A class names the rule of each parameter::

    constraints = {"rtol": Interval(Real, 0, 1, closed="neither"), "seed": SEED}

and its base calls :func:`check_parameters` before it fits. A subclass inherits the rules of
its bases and may replace them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, Protocol

import numpy as np

from sfumato.errors import InputError


class Constraint(Protocol):
    """A rule for one parameter: says it in words, and whether a value keeps it."""

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        ...

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        ...


@dataclass(frozen=True)
class Interval:
    """A number between two others.

    Booleans and NaN are refused. An infinite value is accepted only where the infinite end
    is closed.

    Parameters
    ----------
    kind : type
        ``numbers.Real`` or ``numbers.Integral``; NumPy's scalars count as numbers.
    low, high : float
        The ends; ``math.inf`` for none.
    closed : {"both", "left", "right", "neither"}
        Which ends belong to the interval.

    Examples
    --------
    >>> Interval(Integral, 1, math.inf, closed="left").describe()
    'an integer >= 1'
    >>> Interval(Real, 0, 1, closed="right").describe()
    'a number in (0, 1]'
    """

    kind: Any
    low: float
    high: float
    closed: Literal["both", "left", "right", "neither"]

    def __post_init__(self) -> None:
        assert self.kind in (Real, Integral), self.kind
        assert self.closed in ("both", "left", "right", "neither"), self.closed
        assert self.low <= self.high, (self.low, self.high)

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        noun = "an integer" if self.kind is Integral else "a number"
        left, right = self.closed in ("both", "left"), self.closed in ("both", "right")
        if math.isinf(self.low) and math.isinf(self.high):
            return noun if self.kind is Integral or left or right else "a finite number"
        if math.isinf(self.high):
            return f"{noun} {'>=' if left else '>'} {_text(self.low)}"
        if math.isinf(self.low):
            return f"{noun} {'<=' if right else '<'} {_text(self.high)}"
        ends = f"{_text(self.low)}, {_text(self.high)}"
        return f"{noun} in {'[' if left else '('}{ends}{']' if right else ')'}"

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        if isinstance(value, bool) or not isinstance(value, self.kind):
            return False
        above = value >= self.low if self.closed in ("both", "left") else value > self.low
        below = value <= self.high if self.closed in ("both", "right") else value < self.high
        return bool(above and below)


def _text(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


class StrOptions:
    """One of a few words."""

    def __init__(self, options: Iterable[str]) -> None:
        self.options = frozenset(options)

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        return "one of " + ", ".join(repr(option) for option in sorted(self.options))

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        return isinstance(value, str) and value in self.options


class Boolean:
    """True or False."""

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        return "True or False"

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        return isinstance(value, bool | np.bool_)


class Optional:
    """What another rule accepts, or None."""

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        return f"{self.constraint.describe()}, or None"

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        return value is None or self.constraint.accepts(value)


class AnyOf:
    """What one of several rules accepts."""

    def __init__(self, *constraints: Constraint) -> None:
        self.constraints = constraints

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        return ", or ".join(constraint.describe() for constraint in self.constraints)

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps one of the rules."""
        return any(constraint.accepts(value) for constraint in self.constraints)


class Instance:
    """An object of one of the given types."""

    def __init__(self, *types: type) -> None:
        self.types = types

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        return "of type " + " or ".join(kind.__name__ for kind in self.types)

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        return isinstance(value, self.types)


class Each:
    """A list or tuple of values that each keep a rule.

    Parameters
    ----------
    constraint : Constraint
    length : int, optional
        How many there must be; default: one or more.
    """

    def __init__(self, constraint: Constraint, length: int | None = None) -> None:
        self.constraint, self.length = constraint, length

    def describe(self) -> str:
        """Return the rule as it stands after "must be"."""
        number = "" if self.length is None else f" of {self.length}"
        return f"a list{number}, each {self.constraint.describe()}"

    def accepts(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        if not isinstance(value, list | tuple) or not value:
            return False
        right = self.length is None or len(value) == self.length
        return right and all(self.constraint.accepts(each) for each in value)


def at_least(low: int) -> Interval:
    """Return the rule of an integer that has no upper end."""
    return Interval(Integral, low, math.inf, closed="left")


#: Rules of many parameters.
POSITIVE_INT = at_least(1)
NOT_NEGATIVE_INT = at_least(0)
POSITIVE = Interval(Real, 0, math.inf, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, math.inf, closed="left")
SHARE = Interval(Real, 0, 1, closed="both")
#: A share that leaves something on both sides.
INNER_SHARE = Interval(Real, 0, 1, closed="neither")
#: Any number but NaN and the infinite ones.
FINITE = Interval(Real, -math.inf, math.inf, closed="neither")
#: What torch, NumPy and scikit-learn all take.
SEED = Interval(Integral, 0, 2**32 - 1, closed="both")


def declared_constraints(cls: type) -> Mapping[str, Constraint]:
    """Return a class's rules by parameter, its own and those it inherits."""
    merged: dict[str, Constraint] = {}
    for base in reversed(cls.__mro__):
        merged |= vars(base).get("constraints", {})
    return merged


def check_parameters(estimator: Any) -> None:
    """Raise InputError for the first parameter of an estimator that breaks its rule.

    Parameters
    ----------
    estimator : object with ``get_params``
        Its class declares ``constraints``. A parameter without a rule is not checked; a test
        refuses such a class.
    """
    check_values(type(estimator), estimator.get_params(deep=False))


def check_values(cls: type, values: Mapping[str, Any]) -> None:
    """Raise InputError for the first value that breaks the rule of a class for its name."""
    constraints = declared_constraints(cls)
    for name, value in values.items():
        if name in constraints:
            check_argument(value, constraints[name], f"{cls.__name__}: {name}")


def check_argument(value: Any, rule: Constraint, name: str) -> Any:
    """Return an argument that keeps a rule, else raise InputError.

    Parameters
    ----------
    value : object
    rule : Constraint
    name : str
        The argument's, for the message.

    Examples
    --------
    >>> check_argument(15, POSITIVE_INT, "n_bins")
    15
    """
    # A rule without an upper end accepts integers that no library has room for.
    if _is_long(value) and rule.accepts(2 * value):
        raise InputError(f"{name} must be below 2**63 in size, got {_shown(value)}.")
    if not rule.accepts(value):
        raise InputError(f"{name} must be {rule.describe()}, got {_shown(value)}.")
    return value


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no integer of thousands of digits.
        return f"a {type(value).__name__} that is too long to be shown"


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and abs(value) >= 2**63
