import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from sfumato.audit.removed_features import accuracy_without_features
from sfumato.data.planted import planted
from sfumato.data.splits import split_identities
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError


def test_a_leak_spread_over_all_features_survives_removal_and_not_the_eraser():
    X, y, identity = planted("linear", n_identities=1400, n_features=40, seed=1)
    fitted, audited = split_identities(identity)
    eraser = LeaceEraser().fit(X[fitted], y[fitted])
    found = accuracy_without_features(
        X[audited],
        y[audited],
        identity=identity[audited],
        protected=eraser.transform(X[audited]),
        classifier=LogisticRegression(),
        removed=(0, 0.5, 0.9),
        test_share=0.3,
    )
    assert found.chance == 0.5
    assert found.before.n_left.tolist() == [40, 20, 4]
    # Over 2 seeds 0.804 +- 0.012 and 0.74 +- 0.02 before; after, 0.05 +- 0.02 off at most.
    assert found.before.mean[0] > 0.7
    assert found.before.mean[1] > 0.6
    assert np.diff(found.before.mean).max() < 0
    assert np.abs(found.after.mean - 0.5).max() < 0.15
    # All features give the same whatever their order; few depend on which are left.
    assert found.before.deviation[0] < 0.005
    assert found.before.deviation[2] > 0.005


def test_one_telling_feature_is_kept_as_often_as_the_share_says():
    # A half of the features is kept: in half of the repetitions the one that tells all.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 10)), rng.integers(0, 2, 400)
    X[:, 3] = 20 * y
    found = accuracy_without_features(
        X, y, classifier=LogisticRegression(), removed=[0.5], n_repeats=60, test_share=0.5
    )
    accuracy = found.before.accuracy[0]
    # Of the others' features nothing can be read: 0.5 with a deviation of 0.035.
    assert ((accuracy == 1) | (accuracy < 0.75)).all()
    # 30 of 60 with a deviation of 3.9.
    assert 10 < (accuracy == 1).sum() < 50
    expected = np.std(accuracy, ddof=1)
    assert found.before.deviation == pytest.approx([expected])
    assert found.before.mean == pytest.approx([accuracy.mean()])


def test_no_person_is_on_both_sides():
    # Without any leak, neighbours recognise people whom they saw.
    X, y, identity = planted("none", n_identities=200, images_per_identity=8, seed=2)
    X = X + 10 * np.random.default_rng(0).normal(size=(200, X.shape[1]))[identity]
    rows = {"classifier": KNeighborsClassifier(1), "removed": [0], "test_share": 0.4}
    apart = accuracy_without_features(X, y, identity=identity, **rows)
    mixed = accuracy_without_features(X, y, **rows)
    # 1, and over 2 seeds 0.47 +- 0.08.
    assert mixed.before.mean[0] > 0.9
    assert apart.before.mean[0] < 0.85


def test_balanced_accuracy_after_training_on_balanced_classes():
    X, y, identity = planted("linear", n_identities=400, n_features=12)
    keep = (y == 0) | (identity % 5 == 0)  # One in six is of class 1.
    X, y, identity = X[keep], y[keep], identity[keep]
    seen = []

    class Watched(LogisticRegression):
        def fit(self, X, y):
            seen.append((X.copy(), np.bincount(y.astype(int))))
            return super().fit(X, y)

    found = accuracy_without_features(
        X,
        y,
        identity=identity,
        classifier=Watched(),
        removed=[0],
        n_repeats=2,
        test_share=0.4,
        max_train_rows=151,
    )
    assert seen[0][1].tolist() == [75, 75]
    held_out, _ = split_identities(identity, 0.4, seed="features 0")
    order = np.random.default_rng([0, 0]).permutation(12)
    rows = [np.flatnonzero((X[:, order] == row).all(axis=1))[0] for row in seen[0][0]]
    twin = LogisticRegression().fit(seen[0][0], y[rows])
    expected = balanced_accuracy_score(y[held_out], twin.predict(X[held_out][:, order]))
    assert found.before.accuracy[0, 0] == pytest.approx(expected)
    assert not held_out[rows].any()


def test_missing_labels_seed_progress_and_json():
    X, y, identity = planted("linear", n_identities=120)
    labels = y.astype(object)
    labels[:40] = None
    calls = []
    runs = [
        accuracy_without_features(
            X,
            labels,
            identity=identity,
            protected=X[:, :5],
            removed=[0, 0.99],
            n_repeats=2,
            test_share=0.4,
            seed=seed,
            progress=lambda *call: calls.append(call),
        )
        for seed in (3, 3, 4)
    ]
    assert calls[:4] == [
        (0, 4, "raw embeddings"),
        (1, 4, "raw embeddings"),
        (2, 4, "protected embeddings"),
        (3, 4, "protected embeddings"),
    ]
    assert runs[0].to_dict() == runs[1].to_dict() != runs[2].to_dict()
    assert runs[0].to_dict()["after"]["n_left"] == [5, 1]
    assert runs[0].chance == 0.5
    assert accuracy_without_features(X, y, removed=[0], n_repeats=2).after is None


def test_the_default_classifier_finds_leaks_that_are_not_linear():
    X, y, identity = planted("variance", n_identities=500)
    found = accuracy_without_features(X, y, identity=identity, removed=[0], n_repeats=2)
    assert found.before.mean[0] > 0.7


def test_a_constant_classifier_is_at_chance():
    X, y, identity = planted("linear")
    found = accuracy_without_features(X, y, identity=identity, classifier=DummyClassifier())
    np.testing.assert_array_equal(found.before.accuracy, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"removed": [0, 1]}, r"removed must hold shares in \[0, 1\), got \[0, 1\]"),
        ({"removed": []}, "removed must hold shares"),
        ({"n_repeats": 1}, "n_repeats must be an integer >= 2, got 1"),
        ({"y": [0, 1]}, "y must have one entry a row, 300, got 2"),
        ({"identity": [0]}, "identity must have one entry a row, 300, got 1"),
        ({"protected": [[1.0]]}, "protected must have one entry a row, 300, got 1"),
        ({"test_share": 0.001}, r"class '\d' has \d test people, at least 6"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, message):
    X, y, identity = planted("none", n_identities=60)
    with pytest.raises(InputError, match=message):
        accuracy_without_features(**{"X": X, "y": y, "identity": identity} | change)
