"""What the rows themselves say against an audit's figures: the leak first, then its alarm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.audit._duplicates import Rows, find_near_identical
from sfumato.audit._pairing import compare_order
from sfumato.audit.protocol import audit
from sfumato.data.planted import planted

NEAR = "near-identical"


def rows_of(X, identity, side=None, label=None):
    zeros = np.zeros(len(X), dtype=int)
    codes = np.unique(identity, return_inverse=True)[1]
    return Rows(X, codes, zeros if side is None else side, zeros if label is None else label)


def aliases(rng, noise, n_people=200, n_names=6):
    """Return people under several names each, with a label that tossing a coin gave them."""
    X = np.repeat(rng.normal(size=(n_people, 16)), n_names, axis=0)
    y = np.repeat(rng.integers(0, 2, n_people), n_names)
    return X + noise * rng.normal(size=X.shape), y, np.arange(len(X))


def found(X, y, identity, **options):
    options = {"attackers": ["kNN"], "n_resamples": 50, "metric": "cosine"} | options
    return audit(X, y, identity=identity, **options)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1])
def test_people_under_several_names_leak_and_raise_an_alarm(rng, noise, metric):
    result = found(*aliases(rng, noise), metric=metric)
    assert result.before.headline.balanced_accuracy > 0.8
    assert "1,200 of 1,200 raw templates looked up" in result.alarms[-1]
    assert "not to be trusted" in result.alarms[-1]
    counts = result.to_dict()["structure"]["raw"]["templates"]
    assert counts["n_near"] == counts["n_people"] == 1200
    assert counts["across"]["n_near"] > 0.9 * result.split["test"]["n_rows"]


def test_each_person_under_a_name_of_its_own_raises_none(rng):
    X, y, identity = aliases(rng, 0.1)
    result = found(X, y, identity // 6)
    assert result.before.headline.balanced_accuracy < 0.65
    assert not any(NEAR in alarm for alarm in result.alarms)


@pytest.mark.parametrize("kind", ["none", "linear", "variance", "xor", "clusters", "subgroup"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_strangers_raise_none(kind, metric):
    X, _, identity = planted(kind, 400)
    for rows in (rows_of(X, identity), rows_of(X, identity).means()):
        counts = find_near_identical(rows, metric)
        assert counts["n_near"] <= 0.02 * counts["n_looked_up"]


@settings(max_examples=20)
@given(
    n_features=st.integers(4, 128),
    share=st.floats(0.05, 1),
    metric=st.sampled_from(["cosine", "euclidean", "agreement"]),
    seed=st.integers(0, 1000),
)
def test_copies_are_counted_in_any_dimension_and_metric(n_features, share, metric, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, n_features)).astype(np.float32)
    if metric == "agreement":
        X = rng.integers(0, 8, (400, max(n_features, 24))).astype(np.float32)
    n_copied = max(int(share * 200), 1)
    X[200 : 200 + n_copied] = X[:n_copied]
    counts = find_near_identical(rows_of(X, np.arange(400)), metric)
    assert 2 * n_copied <= counts["n_near"] <= 2 * n_copied + 0.03 * 400


def test_counts_by_hand(rng):
    # Rows 0 and 1 are one template under two names, 2 and 3 under one name on two sides.
    X = rng.normal(size=(200, 32))
    X[1], X[3] = X[0], X[2]
    identity = np.arange(200)
    identity[3] = 2
    side = np.zeros(200, dtype=int)
    side[[3, 60, 61, 62]] = 1
    label = np.zeros(200, dtype=int)
    label[1] = 1
    counts = find_near_identical(rows_of(X, identity, side, label), "cosine")
    counts.pop("limit")
    assert counts == {
        "n_looked_up": 200,
        "n_near": 4,
        "n_people": 3,
        "n_contradicting": 2,
        "across": {"n_looked_up": 4, "n_near": 1, "n_people": 1},
    }


def test_few_are_a_note(rng):
    X, y, identity = planted("linear", 500)
    X[1::500] = X[::500]
    identity = np.where(np.arange(len(X)) % 500 == 1, -np.arange(len(X)), identity)
    result = found(X, y, identity, metric="euclidean")
    assert result.alarms == []
    assert "too few to move the figure" in result.structure["notes"][0]


def test_test_people_who_are_training_people_under_other_names(rng):
    X, y, identity = planted("none", 300, 6, seed=3)
    half = np.arange(len(X)) % 2 == 0
    test = {"X": X[half], "y": y[half], "identity": identity[half] + 1000}
    result = found(X[~half], y[~half], identity[~half], test=test, metric="euclidean")
    assert result.before.headline.ci95[0] > 0.55
    assert "not to be trusted" in " ".join(result.alarms)


def test_names_on_both_sides(rng):
    X, y, identity = planted("none", 300, 6, seed=3)
    half = np.arange(len(X)) % 2 == 0
    test = {"X": X[half], "y": y[half], "identity": identity[half]}
    result = found(X[~half], y[~half], identity[~half], test=test, metric="euclidean")
    assert any("300 test people have the name of someone in" in a for a in result.alarms)
    other, z, _ = planted("none", 300, 3, seed=4)
    test = {"X": other, "y": z, "identity": identity[half]}
    result = found(X[~half], y[~half], identity[~half], test=test, metric="euclidean")
    assert not any("the name of someone" in alarm for alarm in result.alarms)
    assert "if they are the same" in " ".join(result.structure["notes"])


class TestOrder:
    def audited(self, protected, X=None, **options):
        self.X, y, identity = planted("linear", 300)
        X = self.X if X is None else X
        return found(X, y, identity, protected=protected(X), metric="euclidean", **options)

    def test_the_right_order_raises_none(self):
        result = self.audited(lambda X: X[:, :12] * 2, curve=False)
        # Features that go, be they a quarter, protect little, if at all.
        assert all(alarm.startswith("Protects little") for alarm in result.alarms)
        assert result.structure["order"]["rows"]["fits"] > 0.95

    def test_another_order_hides_the_leak_and_raises_an_alarm(self, rng):
        right = self.audited(lambda X: X)
        result = self.audited(lambda X: X[rng.permutation(len(X))])
        assert right.after.headline.balanced_accuracy > 0.7
        assert result.after.headline.balanced_accuracy < 0.6
        assert any("do not belong to the raw rows beside them" in a for a in result.alarms)

    def test_some_rows_elsewhere(self, rng):
        def swap(X):
            erased = X[:, :14].copy()
            some = rng.choice(len(X), len(X) // 5, replace=False)
            erased[some] = erased[np.roll(some, 1)]
            return erased

        (alarm,) = (a for a in self.audited(swap).alarms if "stand beside" in a)
        share = int(alarm.split("%")[0].split()[-1])
        assert 12 <= share <= 28

    def test_noise_is_a_note(self, rng):
        result = self.audited(lambda X: rng.normal(size=X.shape))
        assert not any("belong" in a or "stand beside" in a for a in result.alarms)
        assert "nothing in common with the raw rows" in " ".join(result.structure["notes"])

    def test_a_constant(self):
        result = self.audited(np.ones_like)
        assert "All protected templates are identical" in " ".join(result.alarms)
        assert result.structure["order"] == {"rows": None}

    @pytest.mark.parametrize(
        ("share", "where"), [(1.0, "alarms"), (0.5, "alarms"), (0.02, "notes")]
    )
    def test_one_template_for_all_photos_of_a_person(self, share, where):
        X, y, identity = planted("linear", 300, 3)
        code = np.unique(identity, return_inverse=True)[1]
        merged = np.flatnonzero(code < share * 300)
        protected = X[:, :12].copy()
        for person in np.unique(code[merged]):
            protected[code == person] = protected[code == person].mean(axis=0)
        right = found(X, y, identity, protected=X[:, :12], metric="euclidean")
        assert right.structure["merged"] == {"n_people": 300, "n_merged": 0}
        result = found(X, y, identity, protected=protected, metric="euclidean")
        told = {"alarms": result.alarms, "notes": result.structure["notes"]}
        what = f"of {share * 300:.0f} of 300 people whose raw ones differ are the same"
        assert {name: any(what in t for t in texts) for name, texts in told.items()} == {
            name: name == where for name in told
        }

    @settings(max_examples=15)
    @given(n_features=st.integers(4, 64), n_out=st.integers(4, 64), seed=st.integers(0, 1000))
    def test_any_linear_map_and_any_dimension(self, n_features, n_out, seed):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(300, n_features))
        P = X @ rng.normal(size=(n_features, n_out))
        right = compare_order(X, P, "cosine", "cosine", seed=seed)
        wrong = [
            compare_order(X, P[rng.permutation(300)], "cosine", "cosine", seed=seed)["related"]
            for _ in range(4)
        ]
        assert right["related"] and right["misplaced"] < 0.04
        assert sum(wrong) <= 1  # By chance one permutation may look related.


def test_people_with_contradictory_labels(rng):
    X, y, identity = planted("none", 300)
    coin = rng.integers(0, 2, len(X))
    result = found(X, coin, identity, attribute="gender")
    assert (
        "people with several rows have more than one gender: labels or iden" in result.alarms[-1]
    )
    assert not any("more than one" in alarm for alarm in found(X, coin, identity).alarms)
    assert found(X, y, identity, attribute="gender").structure["labels"] == {
        "n_people": 300,
        "n_contradictory": 0,
    }


def test_templates_far_from_the_origin_are_not_all_the_same(rng):
    X, y, identity = planted("linear", 300)
    options = {"attackers": ["logistic regression"], "metric": "euclidean", "curve": False}
    result = found(X, y, identity, protected=X + 1e4, **options)
    assert result.after.headline.balanced_accuracy > 0.65
    assert result.matching is not None
    assert not any("are identical" in alarm for alarm in result.alarms)
    alike = np.full_like(X, 1e4) + 1e-3 * rng.normal(size=X.shape)
    alarms = found(X, y, identity, protected=alike, **options).alarms
    assert any("All protected templates are identical" in alarm for alarm in alarms)
