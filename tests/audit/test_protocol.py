import numpy as np
import pytest

from sfumato.audit.attackers import NAMES, attackers
from sfumato.audit.protocol import audit
from sfumato.audit.views import attack_views, span
from sfumato.data.planted import planted
from sfumato.data.splits import split_identities
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError

# Planted leaks lie in the whole space, not on the sphere.
EUCLIDEAN = {"metric": "euclidean"}
FAST = ["logistic regression", "quadratic discriminant", "similarity", "kNN"]


def attacked(kind, names=None, seed=0, n_identities=500, **options):
    X, y, identity = planted(kind, n_identities, seed=seed)
    return audit(
        X, y, identity=identity, attackers=names, seed=seed, n_resamples=300, **EUCLIDEAN | options
    )


# Every planted leak, and an attacker of the suite that must find it.
@pytest.mark.parametrize(
    ("kind", "finder", "least"),
    [
        ("linear", "logistic regression", 0.75),
        ("linear", "linear SVM", 0.75),
        ("variance", "quadratic discriminant", 0.75),
        ("xor", "quadratic discriminant", 0.75),
        ("xor", "RBF SVM", 0.7),
        ("xor", "MLP", 0.65),
        ("clusters", "kNN", 0.7),
        ("clusters", "RBF SVM", 0.7),
        ("clusters", "random forest", 0.6),
    ],
)
def test_the_right_attacker_finds_a_planted_leak(kind, finder, least):
    result = attacked(kind, [finder])
    assert result.before.headline.balanced_accuracy > least
    assert result.before.headline.ci95[0] > 0.5


@pytest.mark.parametrize("kind", ["linear", "variance", "xor", "clusters", "subgroup"])
def test_the_headline_finds_every_planted_leak(kind):
    n_identities = 1200 if kind == "subgroup" else 500
    names = [*FAST, "RBF SVM", "gradient boosting"]
    headline = attacked(kind, names, n_identities=n_identities).before.headline
    assert headline.ci95[0] > 0.5, headline


def test_on_clean_tables_the_interval_covers_chance():
    # A 95 % interval misses in 2 of 40 on average; 7 or more has a probability below 0.4 %.
    missed = 0
    for seed in range(40):
        low, high = attacked("none", FAST[:3], seed, n_identities=150).before.headline.ci95
        missed += not low <= 0.5 <= high
    assert missed <= 6


def test_leace_stops_the_linear_attacker_and_not_the_quadratic():
    X, y, identity = planted("linear", 1500)
    X[y == 1, 3] *= 3
    fit, held_out = split_identities(identity)
    protected = LeaceEraser().fit(X[fit], y[fit]).transform(X[held_out])
    result = audit(
        X[held_out],
        y[held_out],
        identity=identity[held_out],
        protected=protected,
        attackers=["logistic regression", "quadratic discriminant"],
        n_resamples=300,
        **EUCLIDEAN,
    )
    linear, quadratic = result.after.attacks.values()
    assert result.before.attacks["logistic regression"].balanced_accuracy > 0.7
    assert linear.balanced_accuracy < 0.58
    assert quadratic.ci95[0] > 0.6
    assert result.after.strongest == "quadratic discriminant"
    assert result.reduction["value"] < 0.7
    assert set(result.matching) == {
        "original-original",
        "protected-protected",
        "original-protected",
        "protected-original",
    }


def test_raw_and_protected_share_rows_folds_and_resamples():
    X, y, identity = planted("linear", 200)
    result = audit(X, y, identity=identity, protected=X.copy(), attackers=FAST, n_resamples=200)
    for name in FAST:
        before, after = result.before.attacks[name], result.after.attacks[name]
        assert before.to_dict() == after.to_dict()
    assert result.reduction == {"value": 0, "ci95": [0, 0]}


def test_the_headline_is_picked_on_validation_people():
    result = attacked("linear", FAST)
    attacks = result.before.attacks
    assert result.before.strongest == max(attacks, key=lambda name: attacks[name].validation)


def test_another_data_set_for_the_test():
    X, y, identity = planted("linear", 300, seed=1)
    Z, z, who = planted("none", 150, seed=2)
    result = audit(
        X,
        y,
        identity=identity,
        test={"X": Z, "y": z, "identity": who},
        attackers=FAST,
        n_resamples=300,
        **EUCLIDEAN,
    )
    assert result.before.headline.validation > 0.7
    assert abs(result.before.headline.balanced_accuracy - 0.5) < 0.1
    assert result.split["test"]["n_people"] == 150


def test_the_whole_suite_runs_and_reports_itself():
    result = attacked("linear", n_identities=150)
    report = result.to_dict()
    assert tuple(report["attackers"]) == NAMES == tuple(a.name for a in attackers(16))
    for attack in report["attackers"].values():
        assert attack["ci95"][0] <= attack["balanced_accuracy"] <= attack["ci95"][1]
        assert attack["advantage"] == pytest.approx(2 * (attack["balanced_accuracy"] - 0.5))


def test_progress_counts_to_the_end():
    seen = []
    attacked("linear", FAST, n_identities=60, progress=lambda *step: seen.append(step))
    assert [step[0] for step in seen] == [0, 1, 2, 3] and seen[0][1] == 4


def test_rows_without_the_label_are_left_out():
    X, y, identity = planted("linear", 100)
    y = y.astype(object)
    y[::7] = None
    X[::7] = 1e6
    result = audit(X, y, identity=identity, attackers=FAST, n_resamples=50)
    assert result.before.headline.balanced_accuracy > 0.7


class TestAlarms:
    def alarms(self, *args, **options):
        return " ".join(attacked(*args, **options).alarms)

    def test_a_sound_audit_raises_none(self):
        assert attacked("linear", FAST).alarms == []

    def test_few_people(self):
        text = self.alarms("linear", FAST, n_identities=60)
        assert "test people: a 95% interval over identities needs at least 40" in text
        assert "test people, fewer than 30: its figures are unstable" in text

    def test_exactly_chance(self):
        X, y, identity = planted("linear", 300)
        dead = np.ones_like(X)
        result = audit(X, y, identity=identity, protected=dead, attackers=["kNN"], n_resamples=50)
        text = " ".join(result.alarms)
        assert "kNN on protected embeddings is at exactly chance (0.500): a failed fit" in text

    def test_cannot_fit_its_own_training_data(self):
        # The labels' parity over two directions: a linear attacker cannot fit it.
        text = self.alarms("xor", ["logistic regression"], n_identities=3000)
        assert "logistic regression on raw embeddings cannot fit even its own training" in text

    def test_no_identities(self):
        X, y, _ = planted("linear", 300)
        result = audit(X, y, attackers=FAST, n_resamples=50)
        assert "No identities were given" in result.alarms[0] and result.matching is None

    def test_nothing_to_erase(self):
        X, y, identity = planted("none", 300)
        result = audit(X, y, identity=identity, protected=X, attackers=FAST, n_resamples=100)
        assert any("nothing was there to erase" in alarm for alarm in result.alarms)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(y=np.zeros(500)), "y needs at least 2 classes, got 0.0"),
        (lambda d: d.update(y=d["y"][:-1]), "y must have one entry a row, 500, got 499"),
        (lambda d: d.update(protected=d["X"][:9]), "protected must have one entry a row, 500"),
        (lambda d: d.update(X=np.full((500, 2), np.nan)), "row 0 has a NaN or infinite value"),
        (lambda d: d.update(attackers=["oracle"]), "attacker must be one of logistic regression"),
        (
            lambda d: d.update(y=np.arange(500) < 5),
            "class 'True' has . (development|test) people, at least 6 are needed",
        ),
    ],
)
def test_bad_input_is_refused(change, message):
    X, y, identity = planted("linear", 100)
    arguments = {"X": X, "y": y, "identity": identity}
    change(arguments)
    with pytest.raises(InputError, match=message):
        audit(**arguments)


def test_nothing_is_lost_in_what_an_attacker_sees(rng):
    X = rng.normal(size=(20, 5)) * np.exp(rng.normal(size=(20, 1)))
    views = attack_views(X, "cosine")
    length = np.exp(views["polar"][:, -1:])
    np.testing.assert_allclose(views["polar"][:, :-1] * length, X, rtol=1e-3)
    assert views["template"] is X
    unit = attack_views(X / np.linalg.norm(X, axis=1, keepdims=True), "cosine")
    assert (unit["polar"][:, -1] == 0).all()
    for metric in ("euclidean", "agreement"):
        assert attack_views(X, metric)["polar"] is X
    # Shuffled blocks are compared by angle, too.
    np.testing.assert_array_equal(attack_views(X, "blocks:5")["polar"], views["polar"])


def test_a_leak_in_the_length_alone_is_found(rng):
    identity = np.repeat(np.arange(300), 3)
    y = identity % 2
    X = rng.normal(size=(900, 6))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    X *= np.exp(0.3 * y + 0.1 * rng.normal(size=900))[:, None]
    result = audit(X, y, identity=identity, attackers=["kNN"], n_resamples=100)
    assert result.before.headline.balanced_accuracy > 0.85


def test_span_keeps_every_distance(rng):
    X = rng.normal(size=(30, 4)) @ rng.normal(size=(4, 50))
    basis = span(X)
    assert basis.shape == (50, 4)
    np.testing.assert_allclose(X @ basis @ basis.T, X, atol=1e-9)
