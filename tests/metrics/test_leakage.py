import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from sfumato.errors import InputError
from sfumato.metrics.leakage import BootstrappedAccuracy, attack_advantage, relative_reduction


@pytest.mark.parametrize(
    ("before", "after", "chance", "printed"),
    # SensitiveNets, Table I: recognition, gender NN, SVM, RF, ethnicity NN.
    [
        (0.984, 0.958, 0.5, 0.054),
        (0.977, 0.588, 0.5, 0.815),
        (0.962, 0.563, 0.5, 0.864),
        (0.951, 0.546, 0.5, 0.898),
        (0.988, 0.551, 1 / 3, 0.664),
    ],
)
def test_relative_reduction_of_the_papers_table(before, after, chance, printed):
    assert relative_reduction(before, after, chance) == pytest.approx(printed, abs=0.005)


def test_nothing_to_reduce_is_no_number():
    with pytest.raises(InputError, match="before must be above chance 0.500"):
        relative_reduction(0.5, 0.5, 0.5)


def test_advantage_by_hand():
    assert attack_advantage(0.75, 0.5) == 0.5
    assert attack_advantage(1 / 3, 1 / 3) == 0


@given(st.integers(0, 2**32 - 1))
def test_value_is_scikit_learns_balanced_accuracy(seed):
    rng = np.random.default_rng(seed)
    y, predicted = np.concatenate([[0, 1, 2], rng.integers(0, 3, 30)]), rng.integers(0, 3, 33)
    judge = BootstrappedAccuracy(y, rng.integers(0, 9, 33), n_resamples=1)
    expected = balanced_accuracy_score(y, predicted)
    assert judge.value(predicted == y) == pytest.approx(expected)


def test_resamples_equal_a_slow_twin(rng):
    y, identity = rng.integers(0, 2, 40), np.resize(np.arange(8), 40)
    correct = rng.random(40) < 0.7
    judge = BootstrappedAccuracy(y, identity, n_resamples=25, seed=3)
    slow = []
    for weights in judge._weights:
        rows = np.concatenate(
            [np.flatnonzero(identity == p) for p, w in enumerate(weights) for _ in range(w)]
        )
        if len(set(y[rows])) == 2:
            slow.append(np.mean([correct[rows][y[rows] == k].mean() for k in (0, 1)]))
    np.testing.assert_allclose(judge.resampled(correct), slow)


def test_rows_of_one_person_widen_the_interval(rng):
    # 40 people with 25 rows each, all right or all wrong, against 1,000 independent rows.
    y = np.repeat(np.arange(40) % 2, 25)
    correct = np.repeat(rng.random(40) < 0.7, 25)
    grouped = BootstrappedAccuracy(y, np.repeat(np.arange(40), 25)).interval(correct)
    single = BootstrappedAccuracy(y, np.arange(1000)).interval(correct)
    assert grouped[1] - grouped[0] > 3 * (single[1] - single[0])


def test_a_row_of_weight_two_counts_as_two_rows(rng):
    y, who = rng.choice(list("fm"), 60), rng.integers(15, size=60)
    weight, correct = rng.integers(1, 4, size=60), rng.random(60) < 0.7
    weighted = BootstrappedAccuracy(y, who, weight=weight, n_resamples=50)
    repeated = BootstrappedAccuracy(y.repeat(weight), who.repeat(weight), n_resamples=50)
    assert weighted.value(correct) == pytest.approx(repeated.value(correct.repeat(weight)))
    assert weighted.interval(correct) == pytest.approx(repeated.interval(correct.repeat(weight)))
