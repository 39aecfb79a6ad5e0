import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from sfumato.data.planted import planted
from sfumato.erasers.cosine_noise import CosineNoiseEraser

values = st.floats(-1e3, 1e3).filter(lambda v: v == 0 or abs(v) > 1e-3)
rows = st.tuples(st.integers(1, 6), st.integers(2, 9)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=values)
)


def cosines(A, B):
    return np.vecdot(A, B) / np.linalg.norm(A, axis=1) / np.linalg.norm(B, axis=1)


@given(rows, st.floats(-0.99, 0.99), st.integers(0, 2**32))
def test_the_cosine_is_exact_and_the_length_one(X, cosine, seed):
    X = X[X.any(axis=1)]
    if not len(X):
        return
    noisy = CosineNoiseEraser(cosine=cosine, seed=seed).fit(np.eye(X.shape[1])).transform(X)
    np.testing.assert_allclose(cosines(X, noisy), cosine, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(noisy, axis=1), 1, atol=1e-9)


def test_directions_are_uniform_around_the_template():
    # Copies of one direction in three dimensions: the noise lies on a circle.
    X = np.arange(1.0, 3001)[:, None] * [0, 0, 1]
    noise = CosineNoiseEraser(cosine=0.6).fit_transform(X)
    np.testing.assert_allclose(noise[:, 2], 0.6, atol=1e-9)
    angle = np.arctan2(noise[:, 1], noise[:, 0])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-6


def test_similarities_shrink_by_the_square(rng):
    centre = rng.normal(size=(2000, 64))
    first, second = (centre + rng.normal(size=centre.shape) * 0.3 for _ in range(2))
    eraser = CosineNoiseEraser(cosine=0.7).fit(first)
    before = cosines(first, second).mean()
    after = cosines(eraser.transform(first), eraser.transform(second)).mean()
    # 2,000 pairs with a standard deviation of at most 1/8 each: five errors are 0.014.
    assert abs(after - 0.49 * before) < 0.014


def test_other_seeds_give_other_noise(rng):
    X = rng.normal(size=(4, 5))
    one, two = (CosineNoiseEraser(seed=seed).fit_transform(X) for seed in (1, 2))
    assert np.abs(one - two).max(axis=1).min() > 0.01


def test_leak_shrinks_but_does_not_vanish():
    X, y, identity = planted("linear", n_identities=2000)
    train, test = identity % 2 == 0, identity % 2 == 1

    def accuracy(X):
        attacker = LogisticRegression(max_iter=1000).fit(X[train], y[train])
        return balanced_accuracy_score(y[test], attacker.predict(X[test]))

    before = accuracy(X)
    after = [accuracy(CosineNoiseEraser(cosine=c).fit_transform(X)) for c in (0.8, 0.4, 0)]
    # Steps of 0.06 or more over 2 seeds; 1,000 test people give a deviation of 0.01.
    assert before > after[0] > after[1] > 0.57
    assert before > 0.75
    assert after[2] < 0.57


def test_a_row_without_direction_becomes_noise_alone():
    noisy = CosineNoiseEraser().fit(np.eye(4)).transform(np.zeros((3, 4)))
    np.testing.assert_allclose(np.linalg.norm(noisy, axis=1), 1, atol=1e-12)
