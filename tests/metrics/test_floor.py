import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.metrics.floor import pairs_of_one_class, resample_rates, resolves
from sfumato.metrics.intervals import bootstrap_weights
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.metrics.verification import eer, fnmr_at_fmr


def test_only_impostors_of_one_class_are_left():
    pairs = all_pairs(list("aabbcde"))
    # Two unknown labels are not alike.
    y = np.array(["f", "f", "m", "m", "m", None, None], dtype=object)
    alike = pairs_of_one_class(pairs, y)
    assert alike.impostor.T.tolist() == [[2, 4], [3, 4]]
    assert alike.genuine.T.tolist() == [[0, 1], [2, 3]]
    assert alike.n_impostor_all == 2
    # By photo, not by person, and in all attributes.
    crossed = np.stack([y, np.array(list("xxxyyxx"), dtype=object)], axis=1)
    assert pairs_of_one_class(pairs, crossed).impostor.T.tolist() == [[3, 4]]


def test_no_impostor_of_one_class_is_refused():
    with pytest.raises(InputError, match="no impostor pair is of one class"):
        pairs_of_one_class(all_pairs(list("aabb")), list("ffmm"))
    with pytest.raises(InputError, match="y must have one entry a row, 4, got 2"):
        pairs_of_one_class(all_pairs(list("aabb")), list("fm"))


@pytest.mark.parametrize(("y", "rate"), [(None, 1 / 3), (list("ffmmmm"), 0.5)])
def test_the_floor_by_hand(y, rate):
    # Angles of genuine pairs: 10, 30 and 18 degrees. Impostors of b and c: 10, 28, 20 and 2; of
    # a and another 80 or more. Accepting up to 28 degrees, FNMR is 1/3 and FMR 4 of 12. With b
    # and c alone, FMR is 2 of 4 from 10 to 20 degrees, where FNMR falls from 2/3 to 1/3.
    degrees = np.radians([0, 10, 90, 120, 100, 118])
    X = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    pairs = all_pairs(list("aabbcc"))
    pairs = pairs if y is None else pairs_of_one_class(pairs, y)
    found = resample_rates([all_vs_all(X, None, pairs=pairs)], n_resamples=0)
    assert found.tolist() == [[[pytest.approx(rate)]]]


def test_a_rate_needs_ten_false_matches():
    assert resolves(1e-3, 10_000) and not resolves(1e-3, 9_999)


def test_resamples_repeat_the_pairs_of_people_drawn(rng):
    who = np.repeat(np.arange(12), 3)
    y = np.repeat(np.arange(12) % 3, 3).astype(str)
    X = rng.normal(size=(12, 5))[who] + 0.9 * rng.normal(size=(36, 5))
    pairs = all_pairs(who)
    tests = [all_vs_all(X, None, pairs=p) for p in (pairs, pairs_of_one_class(pairs, y))]
    found = resample_rates(tests, [0.1], n_resamples=20, seed=3)
    for scores, values in zip(tests, found, strict=True):
        for weight, row in zip(bootstrap_weights(12, 20, 3), values[1:], strict=True):
            # The slow twin: every score as often as its people were drawn.
            a, b = scores.impostor_identity.T
            genuine = np.repeat(scores.genuine, weight[scores.genuine_identity])
            impostor = np.repeat(scores.impostor, weight[a] * weight[b])
            if impostor.size:
                expected = [eer(genuine, impostor).value, fnmr_at_fmr(genuine, impostor, 0.1)]
                assert row == pytest.approx(expected)
            else:
                assert np.isnan(row).all()
