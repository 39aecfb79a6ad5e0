import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.metrics.accuracy import best_accuracy, kfold_accuracy, random_folds

scores = st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=20).map(np.array)


def naive_best(genuine, impostor, balanced):
    values = []
    for t in [*genuine, *impostor, np.inf]:
        right_g, right_i = np.sum(genuine >= t), np.sum(impostor < t)
        if balanced:
            values.append((right_g / genuine.size + right_i / impostor.size) / 2)
        else:
            values.append((right_g + right_i) / (genuine.size + impostor.size))
    return max(values)


@given(scores, scores, st.booleans())
def test_best_accuracy_equals_its_slow_twin(genuine, impostor, balanced):
    accuracy, threshold = best_accuracy(genuine, impostor, balanced=balanced)
    assert accuracy == pytest.approx(naive_best(genuine, impostor, balanced))
    right = np.mean(genuine >= threshold), np.mean(impostor < threshold)
    if balanced:
        assert np.mean(right) == pytest.approx(accuracy)
    else:
        n = genuine.size, impostor.size
        assert np.average(right, weights=n) == pytest.approx(accuracy)


def test_threshold_lies_halfway_by_hand():
    assert best_accuracy([4.0, 5.0], [1.0, 2.0]) == (1.0, 3.0)


def test_more_impostors_push_the_threshold_up_unless_balanced():
    # Nine impostors at 1, genuine at 1 and 2. Raw: reject 1, 10 of 11 right. Balanced:
    # rejecting 1 gives (1/2 + 1) / 2.
    genuine, impostor = [1.0, 2.0], [1.0] * 9
    assert best_accuracy(genuine, impostor)[0] == pytest.approx(10 / 11)
    assert best_accuracy(genuine, impostor, balanced=True)[0] == pytest.approx(3 / 4)


def test_kfold_by_hand():
    # Fold 0 is judged by fold 1's threshold (3 + 1) / 2 = 2: genuine 1 and impostor 0 give 1/2.
    # Fold 1 is judged by (1 + 0) / 2 = 0.5: genuine 3 right, impostor 1 wrong: 1/2.
    found = kfold_accuracy([1.0, 3.0], [0.0, 1.0], [0, 1], [0, 1])
    assert found.threshold.tolist() == [2, 0.5]
    assert found.accuracy.tolist() == [0.5, 0.5]
    assert (found.value, found.standard_error) == (0.5, 0)
    assert found.genuine_correct.tolist() == [False, True]
    assert found.impostor_correct.tolist() == [True, False]


def test_standard_error_is_the_sample_deviation_over_root_n(rng):
    genuine, impostor = rng.normal(2, 1, 200), rng.normal(0, 1, 300)
    found = kfold_accuracy(genuine, impostor, *random_folds(200, 300, 10))
    deviation = np.sqrt(np.sum((found.accuracy - found.value) ** 2) / 9)
    assert found.standard_error == pytest.approx(deviation / np.sqrt(10))


def test_kfold_does_not_look_at_the_fold_it_judges(rng):
    genuine, impostor = rng.normal(2, 1, 40), rng.normal(0, 1, 40)
    folds = random_folds(40, 40, 4)
    before = kfold_accuracy(genuine, impostor, *folds)
    genuine[folds[0] == 2] += 7
    impostor[folds[1] == 2] -= 3
    assert kfold_accuracy(genuine, impostor, *folds).threshold[2] == before.threshold[2]


def test_random_folds_are_even_and_seeded():
    genuine, impostor = random_folds(105, 50, 10, seed=3)
    assert set(np.bincount(genuine)) == {10, 11} and set(np.bincount(impostor)) == {5}
    np.testing.assert_array_equal(genuine, random_folds(105, 50, 10, seed=3)[0])
    assert (genuine != random_folds(105, 50, 10, seed=4)[0]).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kfold_accuracy([1.0, 2], [0, 1.0], [0, 1], [0, 0]), "at least 2 folds"),
        (lambda: kfold_accuracy([1.0, 2], [0, 1.0], [0, 0], [0, 0]), "at least 2 folds"),
        (lambda: kfold_accuracy([1.0, 2], [0, 1.0], [0], [0, 1]), "genuine_fold must have shape"),
        (lambda: random_folds(5, 50), "10 folds need as many"),
        (lambda: random_folds(5, 50, 1), r"n_folds must be an integer in \[2, 127\], got 1"),
    ],
)
def test_refuses_what_it_cannot_compute(call, message):
    with pytest.raises(InputError, match=message):
        call()
