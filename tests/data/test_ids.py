"""The hashes by which a table's repeated ids are suspected."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sfumato.data.ids import SHORT, hash_ids

TEXTS = st.lists(st.text(max_size=20) | st.text(min_size=SHORT, max_size=SHORT + 9), min_size=1)


@given(TEXTS, st.integers(0, 9))
def test_only_the_same_text_has_the_same_hash(texts, start):
    texts = [*texts, *texts[:3]]
    found = hash_ids(pa.array(texts)).tolist()
    # That two of a few hundred texts share 64 bits by chance has a probability of 1e-15.
    assert len(set(zip(texts, found, strict=True))) == len(set(texts)) == len(set(found))
    assert hash_ids(pa.array(texts).slice(start)).tolist() == found[start:]
    assert hash_ids(pa.array(texts, pa.large_string())).tolist() == found


def test_names_in_sequence_have_their_own():
    names = [f"s0-{number:07d}-{photo:03d}" for number in range(20_000) for photo in range(10)]
    assert len(np.unique(hash_ids(pa.array(names)))) == len(names)
    assert len(np.unique(hash_ids(pa.array([str(n) for n in range(200_000)])))) == 200_000


def test_nothing_and_the_empty_text():
    assert len(hash_ids(pa.array([], pa.string()))) == 0
    assert len(set(hash_ids(pa.array(["", ""])).tolist())) == 1
