import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from sfumato.losses.dependence import fourier_features, hsic, moment_gap  # noqa: E402


def one_hot(labels):
    return torch.nn.functional.one_hot(labels).double()


def test_features_make_a_gaussian_kernel():
    rng = np.random.default_rng(0)
    z, sigma = rng.normal(size=(6, 3)), 1.7
    frequencies = torch.from_numpy(rng.normal(size=(200_000, 3)) / sigma)
    phases = torch.from_numpy(rng.uniform(0, 2 * np.pi, 200_000))
    features = fourier_features(torch.from_numpy(z), frequencies, phases)
    distances = np.sum((z[:, None] - z) ** 2, axis=2)
    expected = np.exp(-distances / (2 * sigma**2))
    np.testing.assert_allclose(features @ features.T, expected, atol=0.01)


@settings(max_examples=20)
@given(st.integers(0, 999), st.integers(5, 12))
def test_hsic_is_gretton_s_trace(seed, n):
    # Definition 2 with n^2: tr(K H L H) / n^2, all four matrices written out.
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(n, 4)), np.arange(n) % 3
    K, L = features @ features.T, (labels[:, None] == labels).astype(float)
    H = np.eye(n) - np.full((n, n), 1 / n)
    found = hsic(torch.from_numpy(features), one_hot(torch.from_numpy(labels)))
    assert found.item() == pytest.approx(np.trace(K @ H @ L @ H) / n**2)


def test_hsic_by_hand():
    # Classes at 1 and -1, half of the rows each: the cross-covariance with either class is
    # 1/2 * (1/2) + 1/2 * (1/2) = 1/2 up to sign, so the sum of squares is 1/2.
    features = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]], dtype=torch.float64)
    assert hsic(features, one_hot(torch.tensor([0, 0, 1, 1]))).item() == pytest.approx(0.5)
    assert hsic(features, one_hot(torch.tensor([0, 1, 0, 1]))).item() == pytest.approx(0.0)


def test_moment_gap_by_hand():
    # All rows: mean (0, 0), covariance diag(5/2, 0). Class 0 (rows 1 and 2): mean (3/2, 0),
    # covariance diag(1/4, 0); class 1 is its mirror image. So each gap is 9/4 + (9/4)^2, over
    # two features.
    z = torch.tensor([[1.0, 0], [2.0, 0], [-1.0, 0], [-2.0, 0]], dtype=torch.float64)
    found = moment_gap(z, torch.tensor([0, 0, 1, 1])).item()
    assert found == pytest.approx((9 / 4 + 81 / 16) / 2)


def test_moment_gap_sees_correlations():
    # Each feature alone is the same in both classes; their products differ in sign.
    z = torch.tensor([[1.0, 1], [-1, -1], [1, -1], [-1, 1]], dtype=torch.float64)
    assert moment_gap(z, torch.tensor([0, 1, 0, 1])).item() > 0
    # Covariances [[1, 1], [1, 1]] and [[1, -1], [-1, 1]] against the unit matrix: 2 each.
    assert moment_gap(z, torch.tensor([0, 0, 1, 1])).item() == pytest.approx(1.0)
