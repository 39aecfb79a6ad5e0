"""What to hide, and the class to show instead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.perturbers.choice import (
    ATTRIBUTES,
    age_group,
    check_choice_of,
    class_numbers,
    classes_and_codes,
    every_choice,
    target_codes,
)


def test_fifteen_choices_as_in_the_paper():
    found = every_choice()
    assert len(found) == 15
    assert found["G"] == {"gender": None} and found["R+A0"] == {"race": None, "age": "young"}
    assert sum("G" in name.split("+") for name in found) == 8
    assert list(every_choice({"gender": ("f", "m")})) == ["G"]


def test_age_groups_are_equation_9():
    assert age_group([1, 30, 30.5, 45, 45.1, 99]).tolist() == [
        *["young"] * 2,
        *["middle"] * 2,
        *["old"] * 2,
    ]
    with pytest.raises(InputError, match="years must be known"):
        age_group([20, np.nan])


def test_ways_to_say_what_to_hide():
    assert check_choice_of(ATTRIBUTES, "gender") == {"gender": None}
    assert check_choice_of(ATTRIBUTES, ["gender", "age"], "race") == {"gender": None, "age": None}
    assert check_choice_of(ATTRIBUTES, {"age": "old"}) == {"age": "old"}
    for hide, keep, match in (
        ("mood", (), "cannot hide or keep 'mood'; the attributes are gender, race, age"),
        ("gender", ["mood"], "cannot hide or keep 'mood'"),
        ([], (), "hide must name at least one"),
        (["gender", "age"], ["age"], "age cannot be both hidden and kept"),
        ({"age": "ancient"}, (), "age has no class 'ancient'; it has young, middle, old"),
    ):
        with pytest.raises(InputError, match=match):
            check_choice_of(ATTRIBUTES, hide, keep)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_another_class_unless_drawn_among_all(codes, seed):
    codes = np.array(codes)
    found = target_codes(codes, 4, np.random.default_rng(seed))
    assert (found != codes).all() and found.min() >= 0 and found.max() <= 3
    assert (target_codes(codes, 4, np.random.default_rng(seed), shown=2) == 2).all()


def test_drawn_among_all_it_says_nothing_of_the_class_before():
    codes = np.repeat([0, 1], 4000)
    found = target_codes(codes, 2, np.random.default_rng(0), at_random=True)
    assert abs(found[:4000].mean() - 0.5) < 0.05 and abs(found[4000:].mean() - 0.5) < 0.05
    assert (target_codes(codes, 2, np.random.default_rng(0)) == 1 - codes).all()


def test_classes_are_those_that_occur_in_the_usual_order():
    labels = {"age": ["old", "young"], "hat": ["yes", "no"], "race": ["b", "a"]}
    attributes, codes = classes_and_codes(labels, 2)
    assert attributes == {"age": ["young", "old"], "hat": ["no", "yes"], "race": ["a", "b"]}
    assert {name: values.tolist() for name, values in codes.items()} == {
        name: [1, 0] for name in labels
    }


def test_numbers_and_their_spellings_are_one_class():
    attributes, codes = classes_and_codes({"glasses": [1, 0.0, "1", "0"]}, 4)
    assert attributes == {"glasses": ["0", "1"]} and codes["glasses"].tolist() == [1, 0, 1, 0]
    assert class_numbers(np.array([1.0, 0.0]), ["0", "1"], "glasses", 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    "labels, message",
    [
        ({}, "labels must have at least one attribute, got none"),
        ({"gender": ["male"]}, "gender must have one label an image, 2, got 1"),
        ({"age": [20.5, 31]}, "age is continuous"),
        ({"gender": ["male", "male"]}, "gender needs at least 2 classes, got male"),
        *[
            ({"gender": ["male", missing]}, "gender, row 1: no label; leave out rows without one")
            for missing in (None, "", "NA", float("nan"))
        ],
    ],
)
def test_labels_that_say_too_little_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        classes_and_codes(labels, 2)
