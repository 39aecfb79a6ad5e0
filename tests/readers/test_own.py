"""Readings of a user's own: a function, or answers in a CSV file."""

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.readers.own import OwnReader, read_readings

FACE = np.zeros((8, 8, 3), np.uint8)
ROWS = "reader,photo,face,attribute,value\n"


def test_a_function_is_a_reader():
    reader = OwnReader("mine:ask", lambda face: {"gender": "female", "age": 31, "race": "white"})
    assert reader.read_face(FACE) == {
        "gender": {"label": "female"},
        "age_years": {"years": 31.0},
        "ethnicity": {"label": "white"},
    }


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda face: {"hair": "red"}, "attribute must be gender, race or age, got 'hair'"),
        (lambda face: {"age": "old"}, "age must be a number of years, 0 to 150, got 'old'"),
        (lambda face: {"gender": " "}, "gender has no class"),
        (lambda face: 7, "cannot read a face .TypeError"),
        (lambda face: face[99], "cannot read a face .IndexError"),
    ],
)
def test_a_wrong_answer_is_refused(function, said):
    with pytest.raises(InputError, match=f"--reader mine: {said}"):
        OwnReader("mine", function).read_face(FACE)


def test_answers_of_a_csv(tmp_path):
    path = tmp_path / "said.csv"
    path.write_text(ROWS + "vlm,before,0,gender,female\nvlm,after,0,gender,male\n")
    assert read_readings(path) == {
        0: {"vlm": {"gender": {"before": {"label": "female"}, "after": {"label": "male"}}}}
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reader,photo\n", "face is missing"),
        (ROWS + "v,now,0,gender,f\n", "line 2: photo must be before, after, uploaded, got 'now'"),
        (ROWS + "v,after,x,gender,f\n", "line 2: face must be a number, 0 the largest, got 'x'"),
        (ROWS + "v,after,0,gender,f\n", "v reads gender of face 0 on one photo alone"),
        (ROWS + "v,after,0,age,f\n", "line 2: age must be a number of years"),
    ],
)
def test_wrong_answers_of_a_csv_are_refused(tmp_path, text, said):
    path = tmp_path / "said.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_readings(path)
