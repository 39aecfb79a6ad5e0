import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from sfumato.erasers._gaussian_transport import (
    barycentre_covariance,
    matrix_power,
    transport_map,
)


def random_covariance(rng, d):
    A = rng.normal(size=(d, 2 * d))
    return A @ A.T / (2 * d)


def test_barycentre_of_commuting_covariances_by_hand():
    # Along each axis the barycentre's deviation is the mean of the deviations:
    # (1 + 3) / 2 = 2 and (2 + 2) / 2 = 2, so both variances are 4.
    S = barycentre_covariance(np.array([np.diag([1.0, 4.0]), np.diag([9.0, 4.0])]))
    np.testing.assert_allclose(S, np.diag([4.0, 4.0]), atol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 4))
def test_barycentre_is_the_fixed_point(seed, d, n_classes):
    rng = np.random.default_rng(seed)
    covariances = np.array([random_covariance(rng, d) for _ in range(n_classes)])
    S = barycentre_covariance(covariances, n_iterations=200, tolerance=1e-14)
    root = sqrtm(S).real
    mean = np.mean([sqrtm(root @ C @ root).real for C in covariances], axis=0)
    np.testing.assert_allclose(S, mean, atol=1e-5)


@given(st.integers(0, 10**6), st.integers(1, 8))
def test_the_map_carries_one_covariance_to_the_other(seed, d):
    rng = np.random.default_rng(seed)
    source, target = random_covariance(rng, d), random_covariance(rng, d)
    A = transport_map(source, target)
    np.testing.assert_allclose(A @ source @ A, target, atol=1e-8)
    # The optimal map is the gradient of a convex function: symmetric and positive.
    np.testing.assert_allclose(A, A.T, atol=1e-10)
    assert np.linalg.eigvalsh((A + A.T) / 2)[0] > 0


@pytest.mark.parametrize("exponent", [0.5, -0.5])
def test_powers(exponent):
    S = random_covariance(np.random.default_rng(0), 5)
    root = matrix_power(S, exponent)
    expected = S if exponent > 0 else np.linalg.inv(S)
    np.testing.assert_allclose(root @ root, expected, atol=1e-10)
