import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.errors import InputError
from sfumato.metrics.fairness import BootstrappedFairness, opportunity_percent

SEEDS = st.integers(0, 2**32 - 1)


def decisions(seed, n_groups=3, n=200, rates=(0, 1)):
    """Return truth, decision, group and person of rows with every cell filled.

    The rates of the cells are uniform between ``rates``.
    """
    rng = np.random.default_rng(seed)
    y, group = rng.integers(0, 2, n), rng.integers(0, n_groups, n)
    group[: 2 * n_groups], y[: 2 * n_groups] = np.arange(2 * n_groups) % n_groups, 0
    y[:n_groups] = 1
    decision = rng.random(n) < rng.uniform(*rates, (2, n_groups))[y, group]
    return y, decision.astype(int), group, rng.integers(0, 60, n)


@settings(max_examples=12)
@given(SEEDS, st.integers(2, 4))
def test_values_are_fairlearns(seed, n_groups):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    y, decision, group, _ = decisions(seed, n_groups)
    judge = BootstrappedFairness(y, group, n_resamples=5, min_people=1)
    rows = {"y_true": y, "y_pred": decision, "sensitive_features": group}
    found = judge.equal_opportunity(decision), judge.demographic_parity(decision)
    expected = (
        fairlearn.equal_opportunity_difference(**rows),
        fairlearn.demographic_parity_difference(**rows),
    )
    assert [one.gap.value for one in found] == pytest.approx(expected)
    odds = judge.equalised_odds(decision)
    assert odds.gap.value == pytest.approx(fairlearn.equalized_odds_difference(**rows))
    for metric, ours in (
        (fairlearn.true_positive_rate, found[0]),
        (fairlearn.selection_rate, found[1]),
        (fairlearn.false_positive_rate, odds.false_positive),
    ):
        theirs = fairlearn.MetricFrame(metrics=metric, **rows).by_group
        assert [e.value for e in ours.rates.values()] == pytest.approx(theirs.tolist())


def test_gaps_by_hand():
    # Of 4 positives each, f gets 3 and m 1; of 2 negatives each, f gets 2 and m 1.
    y = np.tile([1, 1, 1, 1, 0, 0], 2)
    decision = np.array([1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0])
    group = np.repeat(["f", "m"], 6)
    judge = BootstrappedFairness(y, group, min_people=1, n_resamples=9)
    opportunity = judge.equal_opportunity(decision)
    assert {name: rate.value for name, rate in opportunity.rates.items()} == {"f": 0.75, "m": 0.25}
    assert opportunity.signed["m"].value == opportunity.gap.value == 0.5
    assert opportunity_percent(opportunity.signed["m"].value) == 50
    assert judge.demographic_parity(decision).gap.value == pytest.approx(5 / 6 - 2 / 6)
    odds = judge.equalised_odds(decision)
    assert odds.false_positive.gap.value == 0.5
    # From the other side the sign turns, and the gap stays.
    turned = BootstrappedFairness(y, group, reference="m", min_people=1, n_resamples=9)
    assert turned.equal_opportunity(decision).signed["f"].value == -0.5
    assert turned.equal_opportunity(decision).gap.value == 0.5


@pytest.mark.parametrize(
    ("smiling", "not_smiling", "printed"),
    # Emotional-Blinded Face Representations, Table II, in %.
    [(84.55, 82.47, 97.93), (84.17, 66.70, 82.53), (81.87, 73.58, 91.71), (86.97, 73.70, 86.73)],
)
def test_percent_of_the_papers_table(smiling, not_smiling, printed):
    found = opportunity_percent((smiling - not_smiling) / 100)
    assert found == pytest.approx(printed, abs=0.015)


def test_resamples_equal_a_slow_twin():
    # No cell has rate 0 or 1, where an interval is wider than its resamples.
    y, decision, group, identity = decisions(1, 2, rates=(0.3, 0.7))
    judge = BootstrappedFairness(y, group, identity=identity, n_resamples=40, seed=3)
    signed, odds = [], []
    for weights in judge._weights:
        people = np.unique(identity.astype(str)).astype(int)  # in the order of names
        rows = np.concatenate(
            [
                np.flatnonzero(identity == person)
                for person, times in zip(people, weights, strict=True)
                for _ in range(times)
            ]
        )
        tpr, fpr = (
            [decision[rows][(group[rows] == g) & (y[rows] == truth)].mean() for g in (0, 1)]
            for truth in (1, 0)
        )
        signed.append(tpr[0] - tpr[1])
        odds.append(max(abs(tpr[0] - tpr[1]), abs(fpr[0] - fpr[1])))
    found = judge.equal_opportunity(decision).signed["1"].interval
    np.testing.assert_allclose(found, np.quantile(signed, [0.025, 0.975]))
    found = judge.equalised_odds(decision).gap.interval
    np.testing.assert_allclose(found, np.quantile(odds, [0.025, 0.975]))


def test_intervals_cover_the_true_gap():
    # TPR 0.8 and 0.6 by construction: 95 % intervals hold 0.2 in most of 60 samples.
    y, group, held = np.ones(300, int), np.repeat(["a", "b"], 150), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        decision = (rng.random(300) < np.where(group == "a", 0.8, 0.6)).astype(int)
        judge = BootstrappedFairness(y, group, n_resamples=200)
        low, high = judge.equal_opportunity(decision).signed["b"].interval
        held += low <= 0.2 <= high
    # About 56 of 60 hold it, with a deviation of 2.
    assert 46 <= held <= 60


def test_photos_of_one_person_widen_the_interval(rng):
    y, group = np.ones(1000, int), np.repeat(["a", "b"], 500)
    decision = np.repeat((rng.random(40) < 0.7).astype(int), 25)
    widths = []
    for identity in (np.repeat(np.arange(40), 25), None):
        judge = BootstrappedFairness(y, group, identity=identity)
        low, high = judge.equal_opportunity(decision).signed["b"].interval
        widths.append(high - low)
    assert widths[0] > 3 * widths[1]


def test_a_group_without_errors_is_not_certain():
    # 30 people each, all accepted: 3 / 30 is the rule of three.
    y, group = np.ones(60, int), np.repeat(["a", "b"], 30)
    found = BootstrappedFairness(y, group).equal_opportunity(np.ones(60, int))
    assert found.rates["a"].interval == (0.9, 1)
    assert found.signed["b"].interval == pytest.approx((-0.1, 0.1))
    assert found.gap.interval == pytest.approx((0, 0.1))
    nobody = BootstrappedFairness(y, group).equal_opportunity((group == "a").astype(int))
    assert nobody.rates["b"].interval == (0, 0.1)
    assert nobody.signed["b"].interval == pytest.approx((0.9, 1))


@settings(max_examples=40)
@given(SEEDS, st.integers(2, 4), st.sampled_from([0.0, 0.5, 1.0]))
def test_intervals_hold_their_value_and_stay_in_range(seed, n_groups, share):
    y, decision, group, identity = decisions(seed, n_groups, 400)
    decision[group == 0] = np.random.default_rng(seed).random((group == 0).sum()) < share
    judge = BootstrappedFairness(y, group, identity=identity, n_resamples=60, min_people=5)
    for found in (judge.equal_opportunity(decision), judge.demographic_parity(decision)):
        assert found.gap.value == pytest.approx(
            max(rate.value for rate in found.rates.values())
            - min(rate.value for rate in found.rates.values())
        )
        for estimate in [found.gap, *found.rates.values()]:
            assert 0 <= estimate.interval.low <= estimate.interval.high <= 1
        for estimate in found.signed.values():
            assert -1 <= estimate.interval.low <= estimate.interval.high <= 1
            assert abs(estimate.value) <= found.gap.value + 1e-12


def test_several_attributes_are_crossed():
    y, decision, group, _ = decisions(0, 2)
    other = np.where(np.arange(len(y)) % 2, "x", "z")
    judge = BootstrappedFairness(y, np.column_stack([group, other]), min_people=1)
    assert judge.groups == ["0 x x", "0 x z", "1 x x", "1 x z"]


def test_small_cells_are_refused():
    y, group = np.ones(60, int), np.repeat(["f", "m"], 30)
    identity = np.concatenate([np.arange(30), 100 + np.arange(30) % 9])
    judge = BootstrappedFairness(y, group, identity=identity)
    with pytest.raises(InputError, match="group 'm' has 9 people with y = 1, at least 10 are"):
        judge.equal_opportunity(y)
    with pytest.raises(InputError, match="group 'f' has 0 people with y = 0"):
        BootstrappedFairness(y, group).equalised_odds(y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [0, 2, 1, 1]}, "y must be 0 or 1, got 2 at row 1"),
        ({"y": []}, r"y must be a non-empty 1-d array, got shape \(0,\)"),
        ({"group": ["f", None, "m", "m"]}, "group, row 1: the label is missing"),
        ({"group": ["f"] * 4}, "group needs at least 2 classes, got f"),
        ({"group": ["f", "m"]}, "group must have one entry a row, 4, got 2"),
        ({"identity": [1, 2]}, "identity must have one entry a row, 4, got 2"),
        ({"reference": "x"}, "reference must be one of f, m, got 'x'"),
        ({"decision": [0, 1]}, "decision must have one entry a row, 4, got 2"),
        ({"decision": [0, 1, 0.5, 1]}, "decision must be 0 or 1, got .*0.5.* at row 2"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, message):
    given_ = {"y": [0, 1, 1, 1], "group": ["f", "f", "m", "m"], "decision": [0, 1, 1, 1]} | change
    decision = given_.pop("decision")
    with pytest.raises(InputError, match=message):
        BootstrappedFairness(**given_, min_people=1).equal_opportunity(decision)
