import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from sfumato.data.keyed_noise import normal, row_keys
from sfumato.data.planted import planted
from sfumato.erasers.ldp_noise import LocalDpEraser, gaussian_delta, gaussian_sigma

epsilons = st.floats(1e-3, 500)
deltas = st.floats(1e-12, 0.5)
sensitivities = st.floats(0.01, 100)


@given(epsilons, deltas, sensitivities)
def test_sigma_fulfils_the_inequality_and_less_does_not(epsilon, delta, sensitivity):
    sigma = gaussian_sigma(epsilon, delta, sensitivity)
    assert gaussian_delta(sigma, epsilon, sensitivity) <= delta * (1 + 1e-9)
    assert gaussian_delta(sigma * (1 - 1e-4), epsilon, sensitivity) > delta


@given(st.floats(1e-2, 1), st.floats(1e-12, 0.2))
def test_analytic_noise_is_less_than_the_classical(epsilon, delta):
    # Dwork and Roth, Theorem A.1, for epsilon below 1.
    classical = 2 * np.sqrt(2 * np.log(1.25 / delta)) / epsilon
    assert gaussian_sigma(epsilon, delta, 2) < classical


@pytest.mark.parametrize(("sigma", "epsilon"), [(1.0, 0.5), (3.0, 0.2), (0.4, 3.0), (0.2, 20.0)])
def test_delta_is_the_excess_probability(sigma, epsilon):
    # By definition: the integral of max(p - exp(epsilon) q, 0), p and q the densities of the
    # output for two inputs at distance 1.
    def excess(x):
        p, q = stats.norm.pdf(x, 1, sigma), stats.norm.pdf(x, 0, sigma)
        return max(p - np.exp(epsilon) * q, 0)

    crossing = 0.5 + epsilon * sigma**2  # where p = exp(epsilon) q
    expected = integrate.quad(excess, crossing, crossing + 20 * sigma, epsabs=1e-13)[0]
    assert gaussian_delta(sigma, epsilon, 1) == pytest.approx(expected, rel=1e-6)


rows = arrays(np.float64, (3, 4), elements=st.floats(-100, 100))


@given(rows, st.floats(0.1, 10), st.floats(0.5, 50))
def test_what_lies_below_the_noise_is_clipped(X, clip, epsilon):
    eraser = LocalDpEraser(epsilon=epsilon, clip=clip, seed=5).fit(np.eye(4))
    clipped = eraser.transform(X) - eraser.sigma_ * normal(row_keys(X, 5), 4)
    length, before = np.linalg.norm(clipped, axis=1), np.linalg.norm(X, axis=1)
    atol = 1e-9 * (1 + eraser.sigma_[0])
    np.testing.assert_allclose(length, np.minimum(before, clip), atol=atol)
    np.testing.assert_allclose(clipped * before[:, None], X * length[:, None], atol=100 * atol)
    assert eraser.sigma_[0] == gaussian_sigma(epsilon, 1e-5, 2 * clip)


def test_noise_has_the_promised_size_and_the_seed_s_own_values(rng):
    X = rng.normal(size=(3000, 6)) * 1e-3
    one, two = (LocalDpEraser(epsilon=2, seed=seed).fit(X) for seed in (1, 2))
    noise = (one.transform(X) - X) / one.sigma_
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-6
    other = (two.transform(X) - X) / two.sigma_
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.04


def test_a_known_seed_undoes_it(rng):
    # The limit that the docstring states.
    X = rng.normal(size=(5, 8))
    X /= 2 * np.linalg.norm(X, axis=1, keepdims=True)
    eraser = LocalDpEraser(epsilon=0.1, seed=7).fit(X)
    undone = eraser.transform(X) - eraser.sigma_ * normal(row_keys(X, 7), 8)
    np.testing.assert_allclose(undone, X, atol=1e-9)


def test_leak_goes_with_epsilon_against_any_attacker():
    X, y, identity = planted("variance", n_identities=800, n_features=8)
    train, test = identity % 2 == 0, identity % 2 == 1

    def accuracy(X, attacker):
        attacker.fit(X[train], y[train])
        return balanced_accuracy_score(y[test], attacker.predict(X[test]))

    weak, strong = (LocalDpEraser(epsilon=e, clip=3.0).fit_transform(X) for e in (300, 1))
    assert accuracy(X, SVC()) > accuracy(weak, SVC()) > 0.56
    for attacker in (SVC(), LogisticRegression()):
        # Chance on 400 people.
        assert accuracy(strong, attacker) < 0.58
