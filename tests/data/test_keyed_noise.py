import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sfumato.data.keyed_noise import normal, permutations, row_keys, uniform


def test_splitmix_by_hand():
    # SplitMix64 of state 0 gives 0xE220A8397B1DCDAF first (Steele et al., reference code);
    # its 53 upper bits are the fraction.
    (value,) = uniform(np.zeros(1, dtype=np.uint64), 1)[0]
    assert value == ((0xE220A8397B1DCDAF >> 11) + 0.5) / 2**53


@given(st.integers(0, 2**63), st.integers(1, 9))
def test_keys_know_only_seed_and_row(seed, n_features):
    X = np.random.default_rng(0).normal(size=(5, n_features))
    keys = row_keys(X, seed)
    np.testing.assert_array_equal(row_keys(X[2:4], seed), keys[2:4])
    np.testing.assert_array_equal(row_keys(X.astype(np.float32), seed), keys)
    assert len(np.unique(keys)) == 5
    assert not np.isin(row_keys(X, seed + 1), keys).any()


def test_column_order_matters_and_zero_has_no_sign():
    keys = row_keys([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0], [-0.0, 1.0]], 0)
    assert keys[0] != keys[1]
    assert keys[2] == keys[3]


def test_distributions():
    keys = row_keys(np.arange(4000)[:, None], 3)
    assert stats.kstest(uniform(keys, 3).ravel(), "uniform").pvalue > 1e-6
    values = normal(keys, 5)
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-6
    assert abs(np.corrcoef(values.T)[np.triu_indices(5, 1)]).max() < 0.06


def test_permutations_are_fair():
    orders = permutations(row_keys(np.arange(6000)[:, None], 0), 3)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(3), (6000, 1)))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    # Six orders, 1,000 each expected; five standard deviations are 144.
    assert len(counts) == 6 and abs(counts - 1000).max() < 144
