"""One meaning for names, labels and missing values."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.data.label_hints import alike, say_doubts
from sfumato.data.labels import (
    MISSING_TEXT,
    as_classes,
    as_names,
    as_text,
    class_codes,
    is_continuous,
    is_missing,
)
from sfumato.errors import InputError

MISSING = [None, float("nan"), np.nan, pd.NA, pd.NaT, "", "  ", "\t", *sorted(MISSING_TEXT)]


@pytest.mark.parametrize("value", MISSING, ids=repr)
def test_what_is_missing_is_missing_everywhere(value):
    column = np.array(["m", value, "f"], dtype=object)
    assert is_missing(column).tolist() == [False, True, False]
    assert as_text(column).tolist() == ["m", None, "f"]
    assert as_classes(column).tolist() == ["m", None, "f"]
    with pytest.raises(InputError, match="identity of row 1 is missing"):
        as_names(column)
    with pytest.raises(InputError, match="y, row 1: the label is missing"):
        class_codes(column)


@pytest.mark.parametrize(
    "same",
    [
        [7, 7.0, "7", np.int8(7), np.float32(7)],
        [-3, -3.0, "-3"],
        [2**60 + 1, str(2**60 + 1)],
        [True, "true", np.True_],
        [1.5, "1.5", np.float32(1.5)],
    ],
)
def test_one_value_has_one_text(same):
    assert len(set(as_text(same).tolist())) == 1
    # Typed arrays of one value say the same as a list of many.
    for value in same:
        assert as_text(np.array([value])).tolist() == [as_text(same)[0]]


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_are_named_alike_whatever_their_type(number):
    assert as_names([number, float(number), str(number)]).tolist() == [str(number)] * 3


@given(st.text().filter(lambda text: not is_missing([text])[0]))
def test_text_stays_as_it_is(text):
    assert as_names([text]).tolist() == [text.rstrip("\0")] or "\0" in text


def test_large_whole_numbers_stay_apart():
    # Floats would make one person of them.
    assert len(set(as_names([2**60, 2**60 + 1]).tolist())) == 2


@pytest.mark.parametrize("values", [[0, 1, 2, 3, 4], [0.0, 1.0, None], [3, 3, 7], [True, False]])
def test_few_whole_numbers_are_classes(values):
    assert not is_continuous(values)
    assert not is_continuous(np.array(values, dtype=float))


@pytest.mark.parametrize("values", [range(11), [0.5, 1, 2], np.arange(30.0)])
def test_other_numbers_are_continuous(values):
    values = np.array(values)
    assert is_continuous(values)
    with pytest.raises(InputError, match="age is continuous .* give classes"):
        as_classes(values, "age")


def test_continuous_numbers_fall_into_groups():
    ages = as_classes(np.arange(90.0), n_groups=3)
    assert [np.sum(ages == name) for name in ("<= 29.7", "29.7 - 59.3", "> 59.3")] == [30, 30, 30]


def test_what_is_no_label_is_refused():
    with pytest.raises(InputError, match="got dict"):
        as_text([{"a": 1}])


def test_crossed_classes_by_hand():
    classes, codes = class_codes(np.array([["f", 1], ["m", 0], ["f", 1.0]], dtype=object))
    assert classes == ["f x 1", "m x 0"]
    assert codes.tolist() == [0, 1, 0]


def test_one_class_is_refused():
    with pytest.raises(InputError, match="y needs at least 2 classes, got m"):
        class_codes(["m", "m"])


def test_classes_that_differ_in_blanks_or_case():
    assert alike(["m", "f", "m ", "M", " f", "x"]) == [[" f", "f"], ["M", "m", "m "]]


def test_two_tables_have_the_same_groups():
    train, test = np.arange(12.0), [0.5, 11, None, 5]
    assert as_classes(test, n_groups=3, like=train).tolist() == [
        "<= 3.67",
        "> 7.33",
        None,
        "3.67 - 7.33",
    ]
    with pytest.raises(InputError, match="age holds text in one place and continuous numbers"):
        as_classes(["old", 3], "age", n_groups=3, like=train)
    assert as_classes([0.5, 1], like=["a"]).tolist() == ["0.5", "1"]


def test_continuous_is_said_with_its_range():
    with pytest.raises(
        InputError, match=r"age is continuous \(3 distinct numbers from 1 to 2.5\)"
    ):
        as_classes([1, 2, 2.5, None], "age")


def test_unicode_is_alike_however_it_is_composed():
    assert alike(["é", "e\u0301", "e"]) == [["e\u0301", "é"]]


@pytest.mark.parametrize("value", [Decimal("7.0"), np.float16(7), np.uint64(7)])
def test_sevens(value):
    assert as_text([value]).tolist() == ["7"]


def test_masked_values_are_missing():
    masked = np.ma.array([7, 8], mask=[False, True])
    assert as_text(masked).tolist() == ["7", None] and is_missing(masked).tolist() == [0, 1]


def test_decimals_keep_every_digit():
    # A float has room for 53 bits: the two would be one person.
    names = [Decimal(10**17 + 1), Decimal(10**17 + 2), Decimal("7.00"), Decimal("0.5")]
    assert as_text(names).tolist() == ["100000000000000001", "100000000000000002", "7", "0.5"]


def test_groups_of_years_are_told_apart():
    # A third of 1950 to 1999 lies below 1966.33, a third above 1982.67.
    assert as_classes(np.arange(1950, 2000), n_groups=3)[[0, 25, 49]].tolist() == [
        "<= 1966",
        "1966 - 1983",
        "> 1983",
    ]


def test_numbers_as_text_are_hinted_at_and_few_codes_are_not():
    (hint,) = say_doubts("age", [f"{age}.0" for age in range(20, 90)])
    assert hint.startswith("age: 70 classes that look like numbers, such as '20.0', stand as text")
    assert "store them as numbers" in hint
    # Ten are no more than whole numbers may have to be classes; one name among them makes codes.
    assert say_doubts("site", [str(n) for n in range(10)]) == []
    assert say_doubts("code", [*map(str, range(40)), "other"]) == []
    assert say_doubts("age", list(range(40))) == []


@pytest.mark.parametrize("dtype", [float, object])
def test_infinite_numbers_are_no_classes(dtype):
    # Two values, both whole: without the rule two classes.
    column = np.array([np.inf, -np.inf] * 4, dtype=dtype)
    with pytest.raises(InputError, match="^score holds inf; correct it or leave it empty.$"):
        as_classes(column, "score")
    with pytest.raises(InputError, match="score holds inf"):
        class_codes(column, "score")


def test_a_number_beyond_all_floats_is_refused_in_a_line():
    with pytest.raises(InputError, match="below 1e308"):
        as_classes(np.array([10**400, 1], dtype=object))
