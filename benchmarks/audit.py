"""The audit, raw and protected, beside plain scikit-learn searches of the same grids.

Seconds elapsed and of the processor, in all and by attacker. The twin tunes the attackers that
scikit-learn has by ``GridSearchCV`` over the same grids, folds and training rows, on both sides;
it has no cubic ridge, no similarity and no paired attacker, no curves and no matching. The target
is a third of the twin's seconds at 6,000 rows, where the audit does all of that too.

``python -m benchmarks audit [ROWS]``: 2,000, 6,000 and 20,000 rows, or those given.
"""

import time
import warnings

import numpy as np

N_FEATURES, PER_PERSON = 128, 2
SIZES, TWIN_SIZES = (2_000, 6_000, 20_000), (2_000, 6_000)
TARGET = 1 / 3


def run(rows=None):
    """Return seconds of quick and full audits, and of the twin, by the number of rows."""
    from sfumato.audit.attackers import QUICK

    sizes = SIZES if rows is None else (int(rows),)
    found = {}
    _measure(_draw(400), list(QUICK))  # Loads the libraries.
    for n_rows in sizes:
        data = _draw(n_rows)
        found[n_rows] = {"quick": _measure(data, list(QUICK)), "full": _measure(data, None)}
        if n_rows in TWIN_SIZES or rows is not None:
            twin = _twin(data)
            found[n_rows]["twin"] = twin
            full = found[n_rows]["full"]
            for unit in ("seconds", "processor_seconds"):
                found[n_rows][f"full_to_twin_{unit}"] = full[unit] / twin[unit]
            names = {name.split(",")[0] for name in twin["by_attacker_s"]}
            steps = full["by_step_elapsed_and_processor"].items()
            same = sum(spent for what, (spent, _) in steps if what.split(" on ")[0] in names)
            found[n_rows]["same_attackers_to_twin_seconds"] = same / twin["seconds"]
    return {"n_features": N_FEATURES, "target_full_to_twin": TARGET, "rows": found}


def _draw(n_rows):
    """Return raw rows that leak along a line, and rows turned with that line replaced."""
    rng = np.random.default_rng(0)
    n_people = n_rows // PER_PERSON
    people = rng.standard_normal((n_people, N_FEATURES))
    identity = np.repeat(np.arange(n_people), PER_PERSON)
    y = (people[:, 0] + rng.standard_normal(n_people) > 0).astype(int)[identity]
    X = people[identity] + 0.6 * rng.standard_normal((len(identity), N_FEATURES))
    protected = X.copy()
    protected[:, 0] = rng.standard_normal(len(X))
    turned = protected @ np.linalg.qr(rng.standard_normal((N_FEATURES, N_FEATURES)))[0]
    return X.astype(np.float32), turned.astype(np.float32), y, identity


class _Clock:
    """Seconds between steps, by what the earlier one was."""

    def __init__(self):
        self.spent, self._what, self._since = {}, None, _now()

    def __call__(self, n_done, n_total, what):
        self.stop()
        self._what, self._since = what, _now()

    def stop(self):
        if self._what is not None:
            parts = zip(_now(), self._since, strict=True)
            self.spent[self._what] = [round(end - start, 3) for end, start in parts]
        self._what = None


def _now():
    return time.perf_counter(), time.process_time()


def _measure(data, attackers):
    from sfumato.audit import audit

    X, protected, y, identity = data
    clock, started = _Clock(), _now()
    audit(
        X, y, identity=identity, protected=protected, attackers=attackers, cache=False,
        progress=clock,
    )  # fmt: skip
    seconds, processor = (end - start for end, start in zip(_now(), started, strict=True))
    # Matching, reversal and floors come after the last step, which ends with them.
    clock.stop()
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "by_step_elapsed_and_processor": clock.spent,
    }


def _twin(data):
    """Time scikit-learn's own search over the suite's grids, raw and protected."""
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

    from sfumato.audit._rows import split_rows
    from sfumato.audit.views import attack_views
    from sfumato.data.splits import balanced_rows

    X, protected, y, identity = data
    rows = {"X": X, "y": y, "identity": identity, "protected": protected}
    train, _ = split_rows(rows, None, 0.3, seed=0)
    train = train.take(balanced_rows(train.y, seed=0, max_rows=6000))
    folds = list(StratifiedGroupKFold(3).split(train.X, train.y, train.identity))
    spent, started = {}, _now()
    for side in ("X", "protected"):
        views = attack_views(getattr(train, side), "cosine")
        for name, model, grid, view in _models(views["polar"].shape[1]):
            began = time.perf_counter()
            search = GridSearchCV(model, grid, scoring="balanced_accuracy", cv=folds)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                search.fit(views[view], train.y)
            spent[f"{name}, {side}"] = round(time.perf_counter() - began, 3)
    seconds, processor = (end - start for end, start in zip(_now(), started, strict=True))
    return {"seconds": seconds, "processor_seconds": processor, "by_attacker_s": spent}


def _models(n_features):
    """Yield name, pipeline, grid and view of the suite's attackers that scikit-learn has."""
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from sfumato.audit.attackers import attackers

    own = {
        "RBF SVM": SVC(),
        "quadratic discriminant": QuadraticDiscriminantAnalysis(solver="eigen"),
    }
    for attacker in attackers(n_features):
        if attacker.name in ("similarity", "cubic kernel ridge"):
            continue
        model = attacker.estimator
        if attacker.name in own:
            model = make_pipeline(StandardScaler(), own[attacker.name])
        step = model.steps[-1][0]
        grid = {f"{step}__{name}": values for name, values in attacker.grid.items()}
        yield attacker.name, model, grid, attacker.view
