"""The searches find what a plain grid search of scikit-learn finds."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sfumato.audit import _kernels, _searches
from sfumato.audit._kernels import RbfSVC
from sfumato.audit.attackers import attackers, train_attacker
from sfumato.data.planted import planted

GRIDDED = (
    *("logistic regression", "linear SVM", "RBF SVM", "kNN", "quadratic discriminant"),
    "cubic kernel ridge",
)


def plain_search(attacker, X, y, identity):
    """Return what scikit-learn chooses, its mean accuracy and its predictions of ``X``."""
    folds = list(StratifiedGroupKFold(3).split(X, y, identity))
    model = clone(attacker.estimator)
    if attacker.name == "RBF SVM":
        model = make_pipeline(StandardScaler(), SVC())
    if attacker.name == "quadratic discriminant":
        model = make_pipeline(StandardScaler(), QuadraticDiscriminantAnalysis(solver="eigen"))
    step = model.steps[-1][0]
    grid = {f"{step}__{key}": values for key, values in attacker.grid.items()}
    search = GridSearchCV(model, grid, scoring="balanced_accuracy", cv=folds).fit(X, y)
    chosen = {key.split("__")[-1]: value for key, value in search.best_params_.items()}
    return chosen, search.best_score_, search.predict(X)


@pytest.mark.parametrize("kind", ["linear", "xor"])
@pytest.mark.parametrize("name", GRIDDED)
def test_a_search_finds_what_a_plain_grid_search_finds(name, kind):
    X, y, identity = planted(kind, 120, 3)
    y = y + (X[:, 0] > 1)  # Three classes.
    (attacker,) = attackers(X.shape[1], [name])
    trained = train_attacker(attacker, X, y, identity)
    chosen, validation, predicted = plain_search(attacker, X, y, identity)
    assert trained.parameters == chosen
    assert trained.validation == pytest.approx(validation, abs=1e-12)
    np.testing.assert_array_equal(trained.estimator.predict(X), predicted)


@pytest.mark.parametrize(
    ("times", "later"),
    # Of 400 rows a third of the accuracy is no chance, of four it may be.
    [(100, [1, 0]), (1, [3, 1, 0])],
)
def test_settings_far_behind_are_tried_on_one_fold_alone(times, later):
    tried = []

    def score(settings, model, X, y, X_held_out):
        tried.append([setting["k"] for setting in settings])
        return [np.full(len(X_held_out), setting["k"]) for setting in settings]

    # Of held-out labels 0, 0, 1, 2 the constants 0, 1 and 3 get 1/3, 1/3 and 0.
    y = np.array([0, 0, 1, 2] * times * 3)
    rows = np.arange(len(y))
    folds = [(np.setdiff1d(rows, held), held) for held in rows.reshape(3, -1)]
    grid = [{"k": 3}, {"k": 1}, {"k": 0}]
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        found = _searches.race(
            score, Pipeline([("s", StandardScaler())]), grid, y[:, None], y, folds
        )
    assert tried == [[3, 1, 0], later, later]
    assert found == ({"k": 1}, pytest.approx(1 / 3))


def test_many_rows_are_read_without_a_kernel_matrix(monkeypatch):
    X, y, identity = planted("xor", 60, 3)
    (attacker,) = attackers(X.shape[1], ["RBF SVM"])
    expected = train_attacker(attacker, X, y, identity)
    monkeypatch.setattr(_kernels, "KERNEL_ROWS", 20)
    monkeypatch.setattr(_searches, "KERNEL_ROWS", 20)
    trained = train_attacker(attacker, X, y, identity)
    assert trained.estimator[-1]._svc.kernel == "rbf"
    assert (trained.parameters, trained.validation) == (expected.parameters, expected.validation)
    np.testing.assert_array_equal(trained.estimator.predict(X), expected.estimator.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_by_hand(rng, dtype):
    A, B = rng.normal(size=(7, 5)).astype(dtype), rng.normal(size=(4, 5)).astype(dtype)
    naive = np.array([[np.sum((a - b) ** 2) for b in B] for a in A])
    found = _kernels.squared_distances(A, B)
    np.testing.assert_allclose(found, naive, rtol=1e-5)
    kernel = _kernels.rbf(found, 0.3)
    assert kernel.dtype == np.float64
    np.testing.assert_allclose(kernel, np.exp(-0.3 * naive), rtol=1e-5)
    assert (_kernels.squared_distances(A, A).diagonal() >= 0).all()


def test_rbf_svc_is_a_classifier_that_clones(rng):
    X = rng.normal(size=(30, 3))
    fitted = RbfSVC(C=10, gamma=0.5).fit(X, X[:, 0] > 0)
    again = clone(fitted).fit(X, X[:, 0] > 0)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_a_class_at_one_point_is_read(rng):
    X = rng.normal(size=(200, 16))
    y = np.arange(200) % 2
    X[y == 1] = X[1]
    (attacker,) = attackers(16, ["quadratic discriminant"])
    trained = train_attacker(attacker, X, y, np.arange(200))
    np.testing.assert_array_equal(trained.estimator.predict(X), y)
