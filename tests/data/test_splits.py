import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.data.labels import is_missing
from sfumato.data.splits import balanced_rows, split_identities
from sfumato.errors import InputError

known = st.text(max_size=5).filter(lambda text: not is_missing([text])[0])
names = st.lists(known, min_size=1, max_size=40)


@given(names, st.integers(0, 5))
def test_nobody_is_on_both_sides(identity, seed):
    first, second = split_identities(identity, 0.4, seed=seed)
    assert (first ^ second).all()
    people = np.array(identity)
    assert not set(people[first]) & set(people[second])


@given(names)
def test_a_persons_side_depends_on_nothing_else(identity):
    first, _ = split_identities(identity)
    alone = [bool(split_identities([name])[0][0]) for name in identity]
    assert first.tolist() == alone


def test_share_is_kept_on_average():
    assert split_identities(10_000, 0.3)[0].mean() == pytest.approx(0.3, abs=0.02)


def test_splits_of_different_seeds_are_independent():
    a, b = split_identities(10_000, 0.5)[0], split_identities(10_000, 0.5, seed="test 0")[0]
    assert np.mean(a & b) == pytest.approx(0.25, abs=0.02)


def test_missing_identity_is_refused():
    with pytest.raises(InputError, match="identity of row 1 is missing"):
        split_identities(["Ada", None])


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=50), st.integers(3, 60))
def test_balanced_rows_are_balanced_and_unique(y, max_rows):
    rows = balanced_rows(y, max_rows=max_rows)
    _, counts = np.unique(np.array(y)[rows], return_counts=True)
    assert len(set(counts.tolist())) == 1 and len(set(rows.tolist())) == len(rows) <= max_rows
    assert len(counts) == len(set(y))
