import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from sfumato.audit import learning
from sfumato.audit._alarms import say_rising
from sfumato.audit._power_law import EXPONENTS, extrapolate
from sfumato.audit._subsets import nested_subsets
from sfumato.audit.learning import Curve, Learning, Point
from sfumato.audit.protocol import audit
from sfumato.cli.audit import print_learning
from sfumato.data.planted import planted
from sfumato.errors import InputError

OPTIONS = {"metric": "euclidean", "n_resamples": 200}
QUADRATIC = ["quadratic discriminant"]


def curves(kind, n_identities, seed=0, attackers=QUADRATIC, **options):
    X, y, identity = planted(kind, n_identities, seed=seed)
    found = audit(X, y, identity=identity, attackers=attackers, seed=seed, **OPTIONS | options)
    return found, found.learning


def test_subsets_are_nested_balanced_and_share_no_person(rng):
    identity = rng.integers(150, size=1200)
    y = rng.permutation(150)[identity] % 2  # a person has one label, with 2 to 20 rows
    levels = nested_subsets(y, identity, seed=3)
    assert [len(parts) for parts in levels] == [4, 2, 1]
    sizes = [np.mean([len(part) for part in parts]) for parts in levels]
    np.testing.assert_allclose(sizes, [300, 600, 1200], rtol=0.12)  # balancing takes some
    for parts, larger in zip(levels[:-1], levels[1:], strict=True):
        people = [set(identity[part]) for part in parts]
        assert sum(map(len, people)) == len(set.union(*people))
        for part in parts:
            assert np.mean(y[part]) == 0.5 or len(part) == 1200
            assert any(set(part) <= set(identity_rows(identity, whole)) for whole in larger)


def identity_rows(identity, rows):
    return np.flatnonzero(np.isin(identity, identity[rows]))


def test_small_sizes_are_fitted_four_times_and_have_enough_rows_and_people():
    identity = np.repeat(np.arange(400), 3)
    levels = nested_subsets(identity % 2, identity)
    assert [len(parts) for parts in levels] == [4, 4, 2, 1]
    assert [len(levels[n][0]) for n in range(4)] == [150, 300, 600, 1200]
    identity = np.repeat(np.arange(60), 20)
    levels = nested_subsets(identity % 2, identity)
    assert len(levels) == 2  # a quarter has 300 rows, but 7 or 8 people of a class


def test_subsets_keep_every_row_of_a_person_with_several_labels_together(rng):
    identity, y = np.repeat(np.arange(100), 8), rng.integers(2, size=800)
    halves = nested_subsets(y, identity)[-2]
    assert not set(identity[halves[0]]) & set(identity[halves[1]])
    assert len(halves[0]) > 330  # an even cut is 400, balancing takes some


def test_rows_for_fewer_than_three_sizes_give_no_curve():
    found, learned = curves("linear", 100)
    assert found.split["development"]["n_rows"] < 400
    assert learned.before == [] and say_rising(learned) == []


def test_a_power_law_is_continued():
    # 0.9 - 3 / sqrt(n): 0.6 at 100, 0.75 at 400, 0.825 at 1600; no bound is touched.
    n = np.array([100.0, 400, 1600])
    (at_4x,) = extrapolate(n, 0.9 - 3 / np.sqrt(n)[None], np.array([6400.0]), 0.5)
    assert at_4x == pytest.approx(0.9 - 3 / 80, abs=0.003)  # its exponent lies between two


def test_extrapolation_is_that_of_a_bounded_solver(rng):
    n = np.array([200.0, 400, 800])
    drawn = rng.uniform(0.4, 1.1, size=(40, 3))
    found = extrapolate(n, drawn, np.array([1600.0]), 0.5)[:, 0]
    for curve, value in zip(drawn, found, strict=True):
        fits = []
        for c in EXPONENTS:
            A = np.column_stack([np.ones(3), -((n / 800) ** -c)])
            fit = lsq_linear(A, curve, ([0.5, 0], [1, np.inf]), method="bvls", tol=1e-14)
            fits.append((fit.cost, fit.x[0] - fit.x[1] * 2**-c))
        assert value == pytest.approx(np.clip(min(fits)[1], 0, 1), abs=1e-4)


def test_the_last_point_is_the_audits_own_figure_and_its_json_is_plain():
    found, learned = curves("xor", 300, protected=None, attackers=["kNN", *QUADRATIC])
    for curve in learned.before:
        attack = found.before.attacks[curve.attacker]
        assert curve.points[-1].balanced_accuracy == attack.balanced_accuracy
        assert curve.points[-1].ci95 == attack.ci95
        assert curve.points[-1].n_rows == found.split["development"]["n_rows"]
        sizes = [point.n_rows for point in curve.points]
        assert all(1.9 < b / a < 2.1 for a, b in zip(sizes, sizes[1:], strict=False))
        assert [end["n_rows"] / sizes[-1] for end in curve.extrapolation] in ([2, 4], [])
    assert learned.before[0].attacker == found.before.strongest
    written = json.loads(json.dumps(found.to_dict()))["learning"]
    assert written["after"] is None and len(written["before"]) == 2


def test_no_curve_is_drawn_where_none_was_asked_for():
    found, learned = curves("linear", 300, curve=False)
    assert learned is None and found.to_dict()["learning"] is None
    with pytest.raises(InputError, match="curve must be True or False"):
        curves("linear", 300, curve="no")


def test_protected_rows_have_a_curve_of_their_own():
    X, y, identity = planted("linear", 300)
    found = audit(X, y, identity=identity, protected=-X, attackers=QUADRATIC, **OPTIONS)
    assert found.learning.final is found.learning.after
    assert found.learning.after[0].points[-1].ci95 == found.after.headline.ci95


@pytest.mark.parametrize(
    ("value", "ci95", "reads", "trend"),
    [
        (0.02, [0.001, 0.04], True, "rising"),
        (0.019, [0.001, 0.04], True, "unclear"),
        (0.02, [0.0, 0.04], True, "unclear"),
        (0.009, [0.001, 0.02], True, "flat"),
        (0.02, [0.001, 0.04], False, "unclear"),
        (0.0, [-0.03, 0.029], True, "flat"),
        (0.0, [-0.03, 0.03], True, "unclear"),
    ],
)
def test_a_trend_by_hand(value, ci95, reads, trend):
    assert learning._trend({"value": value, "ci95": ci95}, reads) == trend


def point(n_rows, value):
    return Point(n_rows, n_rows // 5, 2, value, [value - 0.02, value + 0.02])


RISING = Curve(
    "MLP",
    [point(500, 0.6), point(1000, 0.65), point(2000, 0.7)],
    {"value": 0.05, "ci95": [0.03, 0.07]},
    "rising",
    [{"n_rows": n, "balanced_accuracy": 0.75, "ci95": [0.7, 0.8]} for n in (4000, 8000)],
)


def test_the_alarm_names_rows_gain_and_extrapolation():
    assert say_rising(None) == []
    assert say_rising(Learning([RISING], [])) == []  # the protected side counts
    (text,) = say_rising(Learning([RISING]))
    assert text == (
        "Still rising: more data would read more. Twice the rows, 2,000 for 1,000, brought MLP "
        "+0.050 [+0.030, +0.070] of balanced accuracy; extrapolated, 8,000 rows would read 0.750 "
        "[0.700, 0.800]."
    )


def test_a_weak_attacker_that_rises_is_no_alarm_below_the_strongest():
    strong = [point(n, 0.8) for n in (500, 1000, 2000)]
    flat = replace(RISING, attacker="kNN", points=strong, trend="flat")
    assert say_rising(Learning([flat, RISING])) == []
    close = [point(n, 0.71) for n in (500, 1000, 2000)]
    assert say_rising(Learning([replace(flat, points=close), RISING])) == []
    close = [point(n, 0.7) for n in (500, 1000, 2000)]
    assert "brought MLP" in say_rising(Learning([replace(flat, points=close), RISING]))[0]
    grows = replace(RISING, extrapolation=[])  # Reads 0.7 and gains 0.03 at least.
    for strongest, n_alarms in ((0.72, 1), (0.74, 0)):
        close = [point(n, strongest) for n in (500, 1000, 2000)]
        assert len(say_rising(Learning([replace(flat, points=close), grows]))) == n_alarms


def test_a_rise_that_grows_is_not_extrapolated():
    grows = replace(RISING, extrapolation=[])
    (text,) = say_rising(Learning([grows]))
    assert text.endswith("the rise itself still grows, so nothing can be extrapolated.")
    # From 0.5 by 0.02 and then by 0.1; 2,000 people make every interval narrow.
    judge = SimpleNamespace(
        classes=[0, 1], value=np.mean, resampled=lambda hits: np.repeat(np.mean(hits), 200)
    )
    X, y, identity = planted("linear", 400)
    rows = SimpleNamespace(y=y, identity=identity)
    for reads, n_ends in ((lambda n: 0.6 + n / 10000, 0), (lambda n: 0.9 - 60 / n, 2)):
        curve = learning.learn("x", Reads(reads), X, X, rows, np.ones(len(y)), judge)
        assert curve.trend == "rising" and len(curve.extrapolation) == n_ends


class Reads(BaseEstimator):
    """Be right in a share of the rows that depends on how many it was fitted on."""

    def __init__(self, share):
        self.share = share

    def fit(self, X, y):
        self.n_ = len(y)
        return self

    def predict(self, X):
        return np.arange(len(X)) < self.share(getattr(self, "n_", len(X))) * len(X)


def test_few_rows_rise_and_many_do_not():
    # The last doubling brings kNN 0.031 to 0.071 (6 seeds) with 600 rows, and linear attackers
    # -0.002 to 0.003 (8 seeds) with 3,400.
    drawn = planted("xor", 730)
    few, many = ([values[side] for values in drawn] for side in (drawn[2] < 130, drawn[2] >= 130))
    test = dict(zip(("X", "y", "identity"), many, strict=True))
    rising = audit(*few[:2], identity=few[2], test=test, attackers=["kNN"], **OPTIONS)
    assert rising.learning.before[0].trend == "rising"
    assert any(alarm.startswith("Still rising: more data") for alarm in rising.alarms)
    flat, learned = curves("linear", 1000, attackers=["logistic regression", *QUADRATIC])
    assert learned.before[0].trend == "flat"
    assert not any(alarm.startswith("Still rising") for alarm in flat.alarms)


def test_the_parameters_of_the_full_fit_are_kept():
    seen = []

    class Seen(QuadraticDiscriminantAnalysis):
        def fit(self, X, y):
            seen.append((self.shrinkage, len(y)))
            return super().fit(X, y)

    X, y, identity = planted("variance", 200)
    judge = SimpleNamespace(
        classes=[0, 1], value=np.mean, resampled=lambda hits: np.repeat(np.mean(hits), 5)
    )
    fitted = Seen(solver="eigen", shrinkage=0.3).fit(X, y)
    rows = SimpleNamespace(y=y, identity=identity)
    learning.learn("seen", fitted, X, X, rows, y, judge)
    assert {shrinkage for shrinkage, _ in seen} == {0.3}
    assert [n for _, n in seen] == [1000, *[130] * 4, *[250] * 4, *[500] * 2]


def test_the_terminal_shows_measured_and_extrapolated_apart(capsys):
    print_learning(Learning([RISING]))
    print_learning(Learning([]))
    print_learning(Learning([replace(RISING, extrapolation=[])]))
    text = capsys.readouterr().out
    assert "+0.050, rising" in text and "extrapolated" in text and "not measured" in text
