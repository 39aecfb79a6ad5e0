import math
from numbers import Integral, Real

import numpy as np
import pytest

from sfumato._constraints import (
    Boolean,
    Each,
    Instance,
    Interval,
    Optional,
    StrOptions,
    check_argument,
    check_parameters,
    check_values,
    declared_constraints,
)
from sfumato.errors import InputError

COUNT = Interval(Integral, 1, math.inf, closed="left")
SHARE = Interval(Real, 0, 1, closed="left")


class Base:
    constraints = {"count": COUNT, "share": SHARE}

    def __init__(self, count=1, share=0.5, name="a"):
        self.count, self.share, self.name = count, share, name

    def get_params(self, deep=True):
        return {"count": self.count, "share": self.share, "name": self.name}


class Child(Base):
    constraints = {"share": Interval(Real, 0, math.inf, closed="both"), "name": StrOptions({"a"})}


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(1)])
def test_an_integer_interval_accepts_whole_numbers(value):
    assert COUNT.accepts(value)


@pytest.mark.parametrize("value", [0, -1, 1.0, math.nan, math.inf, True, "three", None, [1]])
def test_an_integer_interval_refuses_the_rest(value):
    assert not COUNT.accepts(value)


@pytest.mark.parametrize("value", [0, 0.0, 0.999, np.float32(0.5), np.float64(0)])
def test_a_real_interval_accepts_numbers_in_it(value):
    assert SHARE.accepts(value)


@pytest.mark.parametrize("value", [1, -1e-9, math.nan, np.nan, math.inf, False, "0.5", 0.5j])
def test_a_real_interval_refuses_the_rest(value):
    assert not SHARE.accepts(value)


@pytest.mark.parametrize(
    "closed, ends", [("both", (1, 1)), ("left", (1, 0)), ("right", (0, 1)), ("neither", (0, 0))]
)
def test_ends_belong_where_the_interval_is_closed(closed, ends):
    interval = Interval(Real, 2, 3, closed=closed)
    assert (interval.accepts(2), interval.accepts(3)) == ends
    unbounded = Interval(Real, -math.inf, math.inf, closed=closed)
    assert (unbounded.accepts(-math.inf), unbounded.accepts(math.inf)) == ends
    assert not unbounded.accepts(math.nan)


@pytest.mark.parametrize(
    "constraint, rule",
    [
        (COUNT, "an integer >= 1"),
        (SHARE, "a number in [0, 1)"),
        (Interval(Real, 0, math.inf, closed="neither"), "a number > 0"),
        (Interval(Real, -math.inf, 2, closed="right"), "a number <= 2"),
        (Interval(Real, -math.inf, math.inf, closed="neither"), "a finite number"),
        (StrOptions({"b", "a"}), "one of 'a', 'b'"),
        (Boolean(), "True or False"),
        (Optional(COUNT), "an integer >= 1, or None"),
        (Interval(Integral, 0, 2**32 - 1, closed="both"), "an integer in [0, 4294967295]"),
        (Each(COUNT), "a list, each an integer >= 1"),
        (Each(COUNT, 4), "a list of 4, each an integer >= 1"),
        (Instance(str, dict), "of type str or dict"),
    ],
)
def test_a_rule_is_told_in_words(constraint, rule):
    assert constraint.describe() == rule


@pytest.mark.parametrize(
    "constraint, good, bad",
    [
        (StrOptions({"a", "b"}), ["a"], ["c", 1, None, ["a"]]),
        (Boolean(), [True, np.True_], [1, 0, "yes", None]),
        (Optional(COUNT), [None, 2], [0, "none"]),
        (Each(COUNT), [[1], (2, 3)], [[], [0], [1, "two"], 1, "11", None]),
        (Each(COUNT, 2), [(2, 3)], [[1], [1, 2, 3]]),
        (Instance(str, dict), ["x", {}], [1, None]),
    ],
)
def test_what_other_rules_accept(constraint, good, bad):
    assert all(constraint.accepts(value) for value in good)
    assert not any(constraint.accepts(value) for value in bad)


def test_check_names_class_parameter_rule_and_value():
    check_parameters(Base())
    with pytest.raises(InputError, match=r"^Base: count must be an integer >= 1, got 'three'\.$"):
        check_parameters(Base(count="three"))


def test_a_subclass_inherits_and_replaces_rules():
    assert set(declared_constraints(Child)) == {"count", "share", "name"}
    check_parameters(Child(share=5))
    with pytest.raises(InputError, match="Base: share must be"):
        check_parameters(Base(share=5))
    with pytest.raises(InputError, match="Child: count must be"):
        check_parameters(Child(count=0))


@pytest.mark.parametrize("value", [2**63, -(2**70), 10**40])
@pytest.mark.parametrize("rule", [COUNT, Interval(Real, -math.inf, math.inf, "both")])
def test_an_integer_that_no_library_has_room_for_is_refused(rule, value):
    class Method:
        constraints = {"n": Optional(rule)}

    with pytest.raises(InputError, match="Method: n must be"):
        check_values(Method, {"n": value})
    check_values(Method, {"n": 2**62})


def test_integers_that_cannot_be_written_are_a_line():
    for value in (10**5000, [10**5000]):
        with pytest.raises(InputError, match="n must be .*, got a (int|list) that is too long"):
            check_argument(value, StrOptions(("a",)), "n")
