import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve as sklearn_roc

from sfumato.errors import InputError
from sfumato.metrics.verification import (
    RankedScores,
    d_prime,
    det_curve,
    eer,
    fnmr_at_fmr,
    roc_curve,
    threshold_at_fmr,
    tmr_at_fmr,
)

# Few distinct values, so that ties are common.
scores = st.lists(st.integers(-8, 8).map(lambda k: k / 8), min_size=1, max_size=30).map(np.array)
four_or_more = st.lists(st.floats(-1, 1), min_size=4, max_size=30).map(np.array)


def naive_eer(genuine, impostor):
    """Walk over all thresholds; meet FMR = FNMR on the line between neighbours."""
    thresholds = [*sorted({*genuine, *impostor}), np.inf]
    points = [(np.mean(impostor >= t), np.mean(genuine < t)) for t in thresholds]
    for (fmr, fnmr), (fmr2, fnmr2) in zip(points, points[1:], strict=False):
        if fnmr2 >= fmr2:
            share = (fmr - fnmr) / ((fmr - fnmr) + (fnmr2 - fmr2))
            return fmr + share * (fmr2 - fmr)
    raise AssertionError("the curves always cross")


def test_tmr_at_fmr_by_hand():
    # One of four impostors may pass, so the threshold lies just above 0.3:
    # 0.9 and 0.8 pass, the tie at 0.3 does not.
    genuine, impostor = [0.9, 0.8, 0.3], [0.1, 0.2, 0.3, 0.4]
    assert tmr_at_fmr(genuine, impostor, fmr=0.25) == 2 / 3
    assert fnmr_at_fmr(genuine, impostor, fmr=0.25) == 1 / 3
    assert threshold_at_fmr(impostor, 0.25) == np.nextafter(0.3, 1)
    # A score at the threshold itself is accepted.
    assert fnmr_at_fmr([np.nextafter(0.3, 1)], impostor, fmr=0.25) == 0


def test_eer_by_hand():
    # At 0.5: FMR 1/4 (0.5), FNMR 1/4 (0.4), so they meet exactly.
    assert eer([0.9, 0.8, 0.7, 0.4], [0.1, 0.2, 0.3, 0.5]) == (0.25, 0.5)


def test_eer_between_two_points_by_hand():
    # Thresholds 1, 2, inf: (FMR, FNMR) = (1, 0), (0, 1/2): the line meets FMR = FNMR at 1/3.
    assert eer([2, 1], [1]).value == pytest.approx(1 / 3)


def test_eer_of_constant_and_reversed_scores():
    assert eer([1, 1], [1, 1, 1]) == (0.5, 1)
    assert eer([0, 0.1], [0.8, 0.9]).value == 1


def test_d_prime_by_hand():
    # Means 3 and 0, variances 1 and 4: 3 / sqrt(2.5).
    assert d_prime([2, 4], [-2, 2]) == pytest.approx(3 / np.sqrt(2.5))


@given(four_or_more, st.floats(0.25, 0.99))
def test_threshold_is_the_lowest_that_keeps_its_promise(impostor, fmr):
    for threshold in (
        threshold_at_fmr(impostor, fmr),
        RankedScores([0.0], impostor).threshold_at_fmr(fmr),
    ):
        assert np.mean(impostor >= threshold) <= fmr
        assert np.mean(impostor >= np.nextafter(threshold, -np.inf)) > fmr


@given(scores, four_or_more, st.floats(0.25, 0.99), st.floats(0.25, 0.99))
def test_tmr_rises_with_fmr(genuine, impostor, fmr, other):
    low, high = sorted([fmr, other])
    assert tmr_at_fmr(genuine, impostor, low) <= tmr_at_fmr(genuine, impostor, high)


@given(scores, scores)
def test_eer_equals_its_slow_twin(genuine, impostor):
    found = eer(genuine, impostor)
    assert 0 <= found.value <= 1
    assert found.value == pytest.approx(naive_eer(genuine, impostor), abs=1e-12)


@given(scores, scores)
def test_only_ranks_matter(genuine, impostor):
    def stretch(x):
        return np.exp(3 * x) + 5

    assert eer(stretch(genuine), stretch(impostor)).value == eer(genuine, impostor).value
    curve, other = roc_curve(genuine, impostor), roc_curve(stretch(genuine), stretch(impostor))
    np.testing.assert_array_equal(curve.fmr, other.fmr)
    np.testing.assert_array_equal(curve.rate, other.rate)


@given(scores, scores)
def test_perfect_separation_has_no_errors(genuine, impostor):
    genuine = genuine - genuine.min() + impostor.max() + 0.5
    found = eer(genuine, impostor)
    assert found.value == 0
    assert (genuine >= found.threshold).all() and (impostor < found.threshold).all()


@given(scores, scores)
def test_roc_equals_scikit_learn(genuine, impostor):
    y = np.repeat([1, 0], [genuine.size, impostor.size])
    both = np.concatenate([genuine, impostor])
    fpr, tpr, thresholds = sklearn_roc(y, both, drop_intermediate=False)
    curve = roc_curve(genuine, impostor)
    np.testing.assert_allclose(curve.fmr, fpr, atol=1e-12)
    np.testing.assert_allclose(curve.rate, tpr, atol=1e-12)
    np.testing.assert_array_equal(curve.threshold, thresholds)
    # FPR - FNR rises along the curve; the EER is where it passes 0.
    crossing = np.interp(0, fpr - (1 - tpr), fpr)
    assert eer(genuine, impostor).value == pytest.approx(crossing, abs=1e-12)


@given(scores, scores)
def test_det_is_the_roc_upside_down(genuine, impostor):
    curve, det = roc_curve(genuine, impostor), det_curve(genuine, impostor)
    np.testing.assert_allclose(curve.rate, 1 - det.rate)
    assert (np.diff(det.fmr) >= 0).all() and (np.diff(det.rate) <= 0).all()
    assert (det.fmr[0], det.rate[0], det.fmr[-1], det.rate[-1]) == (0, 1, 1, 0)


@pytest.mark.parametrize("n_points", [4, 50, 200])
def test_a_thinned_curve_keeps_its_points_on_the_exact_one(rng, n_points):
    genuine, impostor = rng.normal(3, 1, 2000), rng.normal(0, 1, 5000)
    thin, exact = roc_curve(genuine, impostor, n_points), roc_curve(genuine, impostor)
    assert n_points / 3 < thin.fmr.size <= n_points
    assert set(zip(thin.fmr, thin.rate, strict=True)) <= set(
        zip(exact.fmr, exact.rate, strict=True)
    )
    assert (thin.fmr[0], thin.rate[0], thin.fmr[-1], thin.rate[-1]) == (0, 0, 1, 1)


@given(scores, scores, st.data())
def test_whole_weights_equal_repeated_scores(genuine, impostor, data):
    def weights(n):
        return np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))

    g, i = np.sort(genuine), np.sort(impostor)
    wg, wi = weights(g.size), weights(i.size)
    assume(wg.any() and wi.any())
    repeated = RankedScores(np.repeat(g, wg), np.repeat(i, wi))
    for weighted in (
        RankedScores(g, i).weighted(wg, wi),
        RankedScores(g, i).weighted(wg / 2, wi / 2),
    ):
        assert weighted.eer().value == pytest.approx(repeated.eer().value)
        assert weighted.fmr(0.25) == pytest.approx(repeated.fmr(0.25))
    fmr = 0.5
    assume(min(wi.sum(), wi.size) >= 2)
    assert RankedScores(g, i).weighted(wg, wi).tmr_at_fmr(fmr) == pytest.approx(
        repeated.tmr_at_fmr(fmr)
    )


def test_float32_and_float64_scores_mix():
    genuine, impostor = np.float32([0.1, 0.9]), np.array([0.1, 0.05])
    # float32(0.1) is above the double 0.1, so FMR and FNMR are both 0 there.
    assert eer(genuine, impostor).value == 0


def test_a_double_threshold_between_two_floats_accepts_the_right_scores():
    one = np.float32(1)
    ranked = RankedScores(np.float32([1, 2]), np.float32([1]))
    assert ranked.fmr(1 + 1e-12) == np.mean(np.float64([one]) >= 1 + 1e-12) == 0
    assert ranked.fnmr(1 - 1e-12) == 0


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_input_stays_as_it_was(kind):
    genuine, impostor = np.array([0.9, 0.1, 0.5], kind), np.array([0.3, 0.2, 0.4], kind)
    copies = genuine.copy(), impostor.copy()
    eer(genuine, impostor), tmr_at_fmr(genuine, impostor, 0.5), roc_curve(genuine, impostor)
    np.testing.assert_array_equal(genuine, copies[0])
    np.testing.assert_array_equal(impostor, copies[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tmr_at_fmr([1.0], [0.1, 0.2], 0.4), r"fmr must be in \[1/n_impostor, 1\)"),
        (lambda: threshold_at_fmr([0.1, 0.2], 1.0), "got 1.0"),
        (lambda: eer([], [0.1]), "genuine must be a non-empty"),
        (lambda: eer([0.1], [np.nan]), "impostor must be finite, got nan at position 0"),
        (lambda: d_prime([1, 1], [0, 0]), "d_prime needs scores that vary"),
        (lambda: roc_curve([1], [0], 3), "n_points must be an integer >= 4, got 3"),
        (lambda: RankedScores([1], [0]).weighted([0], [1]), "genuine_weight must be >= 0"),
        (lambda: RankedScores([1], [0]).weighted([1], [1, 2]), r"impostor_weight must have shape"),
    ],
)
def test_refuses_what_it_cannot_compute(call, message):
    with pytest.raises(InputError, match=message):
        call()
