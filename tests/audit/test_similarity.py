import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from sfumato.audit._similarity import AGGREGATES, SimilarityAttacker

SCORES = {
    "cosine": lambda x, row: np.dot(x, row) / np.linalg.norm(x) / np.linalg.norm(row),
    "euclidean": lambda x, row: -np.linalg.norm(x - row),
    "agreement": lambda x, row: np.mean(x == row),
}


def slow_decision(database, labels, x, aggregate, n_top, metric="cosine"):
    """One template at a time, straight from the definitions."""
    result = []
    for value in sorted(set(labels)):
        scores = sorted(
            (
                float(SCORES[metric](x, row))
                for row, label in zip(database, labels, strict=True)
                if label == value
            ),
            reverse=True,
        )[:n_top]
        ranks = range(1, len(scores) + 1)
        result.append(
            {
                "max": max(scores),
                "mean": sum(scores) / len(scores),
                "log": sum(-np.log10(r / (r + 1)) * s for r, s in zip(ranks, scores, strict=True)),
                "linear": sum((1 - r / (r + 1)) * s for r, s in zip(ranks, scores, strict=True)),
            }[aggregate]
        )
    return result


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("n_top", [1, 4])
def test_aggregates_equal_a_slow_twin(aggregate, n_top, rng):
    database, labels = rng.normal(size=(20, 5)), rng.permutation(["b", "a"] * 10)
    targets = rng.normal(size=(6, 5))
    attacker = SimilarityAttacker(aggregate=aggregate, n_top=n_top).fit(database, labels)
    expected = [slow_decision(database, labels, x, aggregate, n_top) for x in targets]
    np.testing.assert_allclose(attacker.decision_table(targets), expected, atol=1e-12)


@pytest.mark.parametrize("metric", SCORES)
def test_templates_are_compared_by_the_metric(metric, rng):
    # Lengths differ, so that the cosine and the distance disagree.
    database, labels = rng.integers(0, 4, size=(20, 5)) + 1.0, rng.permutation(["b", "a"] * 10)
    targets = rng.integers(0, 4, size=(6, 5)) + 1.0
    attacker = SimilarityAttacker(n_top=3, metric=metric).fit(database, labels)
    expected = [slow_decision(database, labels, x, "mean", 3, metric) for x in targets]
    np.testing.assert_allclose(attacker.decision_table(targets), expected, atol=1e-6)


def test_without_itself_by_distance():
    # On a line: every row's nearest other row has its label by distance; by cosine all are alike.
    X = np.array([[1.0], [1.1], [5.0], [5.1]])
    attacker = SimilarityAttacker(aggregate="max", metric="euclidean").fit(X, [0, 0, 1, 1])
    assert attacker.score_without_self() == 1


def test_a_row_does_not_vote_for_itself():
    # Labels alternate around a circle: every row's nearest other row has the other label.
    angle = np.arange(12) * np.pi / 6
    X = np.column_stack([np.cos(angle), np.sin(angle)])
    attacker = SimilarityAttacker(aggregate="max").fit(X, np.arange(12) % 2)
    assert np.mean(attacker.predict(X) == np.arange(12) % 2) == 1
    assert attacker.score_without_self() == 0


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_tuning_equals_one_fit_a_setting(metric, rng):
    X, y = rng.normal(size=(60, 4)), rng.permutation([0, 1, 2] * 20)
    X[:, 0] += y
    folds = [(np.arange(30, 60), np.arange(30)), (np.arange(30), np.arange(30, 60))]
    grid = [{"aggregate": a, "n_top": n} for a in AGGREGATES for n in (1, 7)]
    _, best = SimilarityAttacker(metric=metric).tune(X, y, folds, grid)
    scores = []
    for choice in grid:
        parts = []
        for train, test in folds:
            attacker = SimilarityAttacker(metric=metric, **choice).fit(X[train], y[train])
            predicted = attacker.predict(X[test])
            parts.append(np.mean([np.mean(predicted[y[test] == k] == k) for k in range(3)]))
        scores.append(np.mean(parts))
    assert best == pytest.approx(max(scores))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_contract():
    check_estimator(SimilarityAttacker())
