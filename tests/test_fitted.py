"""Fitted state is declared by its class, and restored by that declaration alone."""

import numpy as np
import pytest

from sfumato._fitted import COUNT, TEXT, Array, Arrays, fitted_state, restore
from sfumato.errors import InputError


class Toy:
    fitted = {
        "n_features_in_": COUNT,
        "mean_": Array("d"),
        "maps_": Array("k", "d", 2),
        "net_": Arrays(),
        "name_": TEXT,
    }


ARRAYS = {"mean_": np.ones(3), "maps_": np.ones((4, 3, 2)), "net_/w": np.eye(2)}
VALUES = {"n_features_in_": 3, "name_": "x"}


def test_it_comes_back_as_it_was():
    toy = Toy()
    restore(toy, ARRAYS, VALUES)
    assert set(toy.net_) == {"w"} and toy.name_ == "x"
    assert fitted_state(toy) == (ARRAYS, VALUES)


def test_an_empty_dict_of_arrays_comes_back():
    toy = Toy()
    arrays = {name: ARRAYS[name] for name in ("mean_", "maps_")}
    restore(toy, arrays, VALUES | {"net_": {}})
    assert toy.net_ == {}
    assert fitted_state(toy) == (arrays, VALUES | {"net_": {}})


def test_unfitted_is_refused():
    with pytest.raises(InputError, match="Toy is not fitted; call fit first"):
        fitted_state(Toy())


@pytest.mark.parametrize(
    ("arrays", "values", "match"),
    [
        ({"mean_": None}, {}, "misses the array 'mean_'"),
        ({"net_/w": None}, {}, "misses the arrays 'net_/...'"),
        ({"zz_": np.ones(1)}, {}, "unknown array 'zz_'"),
        ({"mean_/w": np.ones(1)}, {}, "unknown array 'mean_/w'"),
        ({"mean_": np.ones(4)}, {}, r"'mean_' has shape \(4,\), must have \(d\) with d = 3"),
        ({"maps_": np.ones((4, 3, 1))}, {}, r"must have \(k, d, 2\)"),
        ({"maps_": np.ones((4, 3))}, {}, r"must have \(k, d, 2\)"),
        ({}, {"name_": None}, "misses 'name_' in its state"),
        ({}, {"name_": 5}, "state 'name_' must be text, got 5"),
        ({}, {"n_features_in_": True}, "must be a whole number >= 0, got True"),
        ({}, {"n_features_in_": -1}, "must be a whole number >= 0, got -1"),
        ({}, {"zz_": 1}, "unknown value 'zz_'"),
        ({}, {"mean_": 1}, "unknown value 'mean_'"),
    ],
)
def test_other_state_is_refused(arrays, values, match):
    changed = [
        {name: value for name, value in (old | new).items() if value is not None}
        for old, new in ((ARRAYS, arrays), (VALUES, values))
    ]
    with pytest.raises(InputError, match=match):
        restore(Toy(), *changed)
