import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.metrics.calibration import best_temperature, expected_calibration_error


def draw(seed, temperature=1.0, n=20_000):
    """Return logits, and labels drawn from their softmax at a temperature."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 3))
    p = np.exp(logits / temperature)
    p /= p.sum(axis=1, keepdims=True)
    return logits, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1), p


def test_probabilities_that_are_what_they_say_have_no_error():
    _, codes, p = draw(0)
    assert expected_calibration_error(p, codes) < 0.02
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(sharp, codes) > 0.1


def test_error_by_hand():
    # Two bins: 0.9 sure and always right, 0.6 sure and right every other time.
    p = [[0.9, 0.1]] * 2 + [[0.4, 0.6]] * 2
    assert expected_calibration_error(p, [0, 0, 1, 0]) == pytest.approx((0.2 + 0.2) / 4)


@given(st.sampled_from([0.5, 1.0, 2.0, 4.0]), st.integers(0, 100))
def test_temperature_is_found(temperature, seed):
    logits, codes, _ = draw(seed, temperature, n=3_000)
    assert best_temperature(logits, codes) == pytest.approx(temperature, rel=0.2)


def test_bad_input():
    with pytest.raises(InputError, match="one row an answer"):
        expected_calibration_error(np.ones((3, 2)), [0])
