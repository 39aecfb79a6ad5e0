import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.metrics._resampling import Sample
from sfumato.metrics.intervals import (
    bootstrap_intervals,
    bootstrap_weights,
    percentile_interval,
    rule_of_three,
)
from sfumato.metrics.scores import Scores, all_vs_all
from sfumato.metrics.verification import d_prime, eer, fnmr_at_fmr, tmr_at_fmr

NAMES = ("eer", "tmr_at_fmr", "fnmr_at_fmr", "d_prime")


def people(rng, n_people=30, n_each=3, spread=1.0):
    """Embeddings of people whose quality differs, as it does in life."""
    centres = rng.normal(size=(n_people, 8))
    quality = rng.uniform(0.5, 1.5, n_people) * spread
    identity = np.repeat(np.arange(n_people), n_each)
    X = centres[identity] + quality[identity, None] * rng.normal(size=(identity.size, 8))
    return X, identity


def naive_statistics(scores, weight, fmr, correct):
    """Repeat every pair as often as its people were drawn; then the plain metrics."""
    a, b = scores.impostor_identity.T
    w_genuine, w_impostor = weight[scores.genuine_identity], weight[a] * weight[b]
    genuine = np.repeat(scores.genuine, w_genuine)
    impostor = np.repeat(scores.impostor, w_impostor)
    right = np.concatenate([np.repeat(correct[0], w_genuine), np.repeat(correct[1], w_impostor)])
    return [
        eer(genuine, impostor).value,
        tmr_at_fmr(genuine, impostor, fmr),
        fnmr_at_fmr(genuine, impostor, fmr),
        d_prime(genuine, impostor),
        right.mean(),
    ]


def test_interval_equals_its_slow_twin(rng):
    X, identity = people(rng)
    scores, fmr = all_vs_all(X, identity), 0.02
    correct = scores.genuine > 0.5, scores.impostor < 0.5
    rows = [
        naive_statistics(scores, weight, fmr, correct)
        for weight in bootstrap_weights(30, n_resamples=60, seed=5)
    ]
    names = (*NAMES, "accuracy")
    found = bootstrap_intervals(
        scores, names, fmr=fmr, correct=correct, n_resamples=60, seed=5, level=0.9
    )
    for name, column in zip(names, np.transpose(rows), strict=True):
        np.testing.assert_allclose(found[name], np.quantile(column, [0.05, 0.95]), err_msg=name)


def test_equal_weights_give_the_plain_metrics(rng):
    scores = all_vs_all(*people(rng))
    correct = scores.genuine > 0.5, scores.impostor < 0.5
    sample = Sample.draw(scores, correct, 500_000, 0)
    plain = naive_statistics(scores, np.ones(30, dtype=int), 0.02, correct)
    found = sample.evaluate(np.ones(30, dtype=int), (*NAMES, "accuracy"), 0.02, False)
    np.testing.assert_allclose(found, plain)
    found = sample.evaluate(np.full(30, 7), NAMES, 0.02, False)
    np.testing.assert_allclose(found, plain[:4])
    balanced = sample.evaluate(np.ones(30, dtype=int), ("accuracy",), 0.02, True)
    np.testing.assert_allclose(balanced, [(correct[0].mean() + correct[1].mean()) / 2])


def test_thinned_impostors_keep_the_tail_and_the_mean(rng):
    scores = all_vs_all(*people(rng, n_people=60, n_each=4))
    assert scores.impostor.size > 20_000
    full = Sample.draw(scores, None, 10**6, 0).evaluate(np.ones(60, int), NAMES, 0.01, False)
    sample = Sample.draw(scores, None, 3000, 0)
    thin = sample.evaluate(np.ones(60, int), NAMES, 0.01, False)
    # The threshold at FMR 0.01 lies in the tail that is kept whole; the rest is estimated.
    np.testing.assert_allclose(thin[1:3], full[1:3], atol=0.01)
    np.testing.assert_allclose(thin, full, rtol=0.1)
    assert sample.multiplicity.sum() == pytest.approx(scores.impostor.size, abs=20)


def test_interval_is_seeded_and_holds_the_estimate(rng):
    scores = all_vs_all(*people(rng))
    found = bootstrap_intervals(scores, NAMES, fmr=0.02, n_resamples=200)
    assert found == bootstrap_intervals(scores, NAMES, fmr=0.02, n_resamples=200)
    assert found != bootstrap_intervals(scores, NAMES, fmr=0.02, n_resamples=200, seed=1)
    low, high = found["eer"]
    assert low < eer(scores.genuine, scores.impostor).value < high


def test_people_not_pairs_are_the_units(rng):
    """Doubling every image adds pairs but no people, so the interval does not shrink."""
    X, identity = people(rng)
    once = bootstrap_intervals(all_vs_all(X, identity), n_resamples=200)["eer"]
    twice = all_vs_all(np.vstack([X, X + 1e-3]), np.tile(identity, 2))
    wide = bootstrap_intervals(twice, n_resamples=200)["eer"]
    assert np.subtract(*wide[::-1]) > 0.6 * np.subtract(*once[::-1])


def test_interval_covers_the_truth():
    """In 40 tests of 40 people, the 90 % interval holds the truth about 36 times."""
    truth = all_vs_all(*people(np.random.default_rng(99), n_people=700))
    expected = d_prime(truth.genuine, truth.impostor), eer(truth.genuine, truth.impostor).value
    hits = np.zeros(2)
    for seed in range(40):
        scores = all_vs_all(*people(np.random.default_rng(seed), n_people=40))
        found = bootstrap_intervals(
            scores, ("d_prime", "eer"), n_resamples=100, level=0.9, seed=seed
        )
        hits += [
            low <= value <= high
            for value, (low, high) in zip(expected, found.values(), strict=True)
        ]
    # Binomial(40, 0.9) falls below 27 once in 10,000 times; wider is allowed.
    assert hits.min() >= 27, hits


def test_no_error_seen_reaches_the_rule_of_three(rng):
    X, identity = people(rng, n_people=20, spread=0.01)
    scores = all_vs_all(X, identity)
    correct = scores.genuine > -2, scores.impostor < 2
    found = bootstrap_intervals(
        scores,
        ("eer", "tmr_at_fmr", "fnmr_at_fmr", "accuracy"),
        fmr=0.01,
        correct=correct,
        n_resamples=20,
    )
    assert found["eer"] == found["fnmr_at_fmr"] == (0, 3 / 20)
    assert found["tmr_at_fmr"] == found["accuracy"] == (1 - 3 / 20, 1)


def test_rule_of_three_is_a_95_percent_bound():
    assert rule_of_three(2) == 1 and rule_of_three(300) == 0.01
    for n in (30, 300, 3000):
        assert (1 - rule_of_three(n)) ** n == pytest.approx(0.05, abs=0.01)


def test_weights_are_multinomial():
    weights = bootstrap_weights(50, n_resamples=4000, seed=1)
    assert weights.shape == (4000, 50) and (weights.sum(axis=1) == 50).all()
    # Mean 1 and variance 1 - 1/50 each; the mean of 4000 deviates by 0.016.
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.08)
    assert weights.var() == pytest.approx(0.98, abs=0.02)
    np.testing.assert_array_equal(weights, bootstrap_weights(50, n_resamples=4000, seed=1))


def test_identities_without_pairs_do_not_count(rng):
    scores = all_vs_all(*people(rng))
    shifted = scores._replace(
        genuine_identity=scores.genuine_identity * 3 + 5,
        impostor_identity=scores.impostor_identity * 3 + 5,
        n_identities=500,
    )
    assert bootstrap_intervals(scores, n_resamples=20) == bootstrap_intervals(
        shifted, n_resamples=20
    )


def scores_of(genuine_identity, impostor_identity, n):
    return Scores(
        np.arange(len(genuine_identity), dtype=float),
        np.arange(len(impostor_identity), dtype=float) / 9,
        np.array(genuine_identity),
        np.array(impostor_identity),
        n,
        len(impostor_identity),
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: bootstrap_intervals(s, ("auc",)), "statistics must be a list, each one of"),
        (lambda s: bootstrap_intervals(s, ("accuracy",)), "needs correct"),
        (lambda s: bootstrap_intervals(s, max_impostor=1), "max_impostor must be an integer >= 2"),
        (lambda s: bootstrap_intervals(s, correct=([True], [True])), "correct must hold one"),
        (lambda s: bootstrap_intervals(s._replace(genuine=np.zeros(9))), "must have the shapes"),
        (
            # All three people must be in a resample: two of nine are such.
            lambda s: bootstrap_intervals(scores_of([0], [[1, 2]], 3), ("eer",)),
            "3 identities are too few",
        ),
        (lambda s: bootstrap_weights(0), "n_identities must be an integer >= 1, got 0"),
        (lambda s: bootstrap_weights(3, 0), "n_resamples must be an integer >= 1, got 0"),
        (lambda s: percentile_interval([1.0], 1.0), r"level must be a number in \(0, 1\)"),
        (lambda s: rule_of_three(0), "n must be an integer >= 1, got 0"),
    ],
)
def test_refuses_what_it_cannot_compute(call, message):
    scores = scores_of([0, 1, 2], [[0, 1], [0, 2], [1, 2]], 3)
    with pytest.raises(InputError, match=message):
        call(scores)
