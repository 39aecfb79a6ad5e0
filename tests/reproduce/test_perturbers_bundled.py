"""Figures on the bundled perturbers, worked out by hand."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.audit.pictures import Seen
from sfumato.reproduce._bundled_faces import People
from sfumato.reproduce.perturbers_bundled import _all_misread, _matching


def people(n):
    gender = np.repeat(["female", "male"], n)
    identity = np.repeat([f"p{number}" for number in range(n)], 2)
    return People(np.zeros((2 * n, 3, 4, 4), np.float32), gender, identity)


def test_a_person_is_misread_where_all_readers_err_on_all_pictures():
    own = people(2)  # p0 is female on both pictures, p1 male.
    male = np.array([0.9, 0.8, 0.1, 0.2])
    assert _all_misread(own, Seen({("a", "gender"): male, ("b", "gender"): male})) == 1
    # The second reader still reads one of p1's pictures.
    other = np.array([0.9, 0.8, 0.1, 0.7])
    assert _all_misread(own, Seen({("a", "gender"): male, ("b", "gender"): other})) == 0.5


def test_classes_are_the_opposite_or_drawn():
    own = people(200)
    assert (own.classes(at_random=False, seed=0) != own.gender).all()
    # Of 400 draws 200 are expected to be the opposite, with a deviation of 10.
    assert 140 < (own.classes(at_random=True, seed=1) != own.gender).sum() < 260


def test_matching_by_hand():
    own = people(8)  # 112 impostor pairs: 1e-2 lets one of them pass.
    X = np.repeat(np.eye(8), 2, axis=0)
    seen = Seen(templates={"m": X}, metrics={"m": "euclidean"})
    found = _matching(own, seen, seen, "m")
    assert found["O-O"] == found["O-P"] == found["P-O"] == found["P-P"] == 1
    # All protected people are one: no genuine score lies above an impostor's, and every impostor
    # pair above the threshold of the originals.
    same = Seen(templates={"m": np.ones((16, 8))}, metrics={"m": "euclidean"})
    found = _matching(own, seen, same, "m")
    assert found["P-P"] == 0 and found["FMR, P-P"] == 1
