"""Every metric reads names and missing values alike: 7, 7.0 and "7" are one person."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.data.splits import split_identities
from sfumato.data.triplets import hard_triplets
from sfumato.errors import InputError
from sfumato.metrics.fairness import BootstrappedFairness
from sfumato.metrics.groups import shares_by_group
from sfumato.metrics.identification import cmc
from sfumato.metrics.leakage import BootstrappedAccuracy
from sfumato.metrics.ordinal import age_errors
from sfumato.metrics.scores import all_pairs

PEOPLE = [7, 7, 8, 8, 9, 9]
SAME = {
    "floats": np.array(PEOPLE, float),
    "text": [str(name) for name in PEOPLE],
    "mixed": [7, 7.0, "8", 8, 9.0, "9"],
    "categories": pd.Series(PEOPLE).astype(str).astype("category"),
    "nullable": pd.array(PEOPLE, dtype="Int64"),
}
MISSING = [None, float("nan"), pd.NA, "", " ", "NA"]
RIGHT = np.array([1, 0, 1, 1, 0, 0])
X = np.eye(6, dtype=np.float32)

ENTRANCES = {
    "all_pairs": lambda who: all_pairs(who).code.tolist(),
    "cmc": lambda who: cmc(np.eye(6), who, who).tolist(),
    "shares_by_group": lambda who: shares_by_group(RIGHT == 1, ["a"] * 6, identity=who),
    "age_errors": lambda who: age_errors(RIGHT, RIGHT * 2, identity=who),
    "leakage": lambda who: BootstrappedAccuracy(RIGHT, np.asarray(who, object)).n_identities,
    "split_identities": lambda who: split_identities(who)[0].tolist(),
    "hard_triplets": lambda who: hard_triplets(X, who, alpha=9, n_triplets=20).tolist(),
}


@pytest.mark.parametrize("kind", SAME)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_one_name_has_one_text(entrance, kind):
    assert ENTRANCES[entrance](SAME[kind]) == ENTRANCES[entrance](PEOPLE)


@pytest.mark.parametrize("missing", MISSING, ids=repr)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_missing_name_is_refused_with_its_row(entrance, missing):
    with pytest.raises(InputError, match="identity of row 3 is missing"):
        ENTRANCES[entrance]([7, 7, 8, missing, 9, 9])


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_a_missing_group_is_refused(missing):
    with pytest.raises(InputError, match="groups of row 1 is missing"):
        shares_by_group([True, False], ["a", missing])
    with pytest.raises(InputError, match="group, row 1: the label is missing"):
        BootstrappedFairness([1, 0, 1], ["a", missing, "b"])


@given(st.lists(st.sampled_from([7, 7.0, "7", "[/x]", "\x1b[0m", "a\nb", 8]), min_size=1))
def test_a_person_is_on_one_side(names):
    first, _ = split_identities(names)
    sides: dict[str, set] = {}
    for name, side in zip(names, first.tolist(), strict=True):
        sides.setdefault("7" if name in (7, "7") else str(name), set()).add(side)
    assert all(len(found) == 1 for found in sides.values())
