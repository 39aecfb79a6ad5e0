"""How much of what is read goes with labels that are known anyway, such as age and smile.

Two questions. How well do these labels alone tell the attribute? And what does the strongest
attacker read among people who are alike in them? For the second, rows are weighted so that the
attribute goes with none of the labels (overlap weights); the attacker is the strongest as it was
trained on everybody, or one of its kind trained on a sample of people alike, whichever reads more
on people held out from its training.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from sfumato.audit._label_readers import (
    effective_people,
    encode_labels,
    label_readers,
    overlap_weights,
)
from sfumato.audit.attackers import attackers, train_attacker
from sfumato.audit.floor import Measured
from sfumato.audit.views import side_views
from sfumato.data.splits import balanced_rows
from sfumato.errors import InputError
from sfumato.metrics.leakage import BootstrappedAccuracy

#: Of each class so many people must count, in effect; fewer than the second are marked.
MIN_PEOPLE, FEW_PEOPLE = 10, 30
N_FOLDS = 3
ALL, ALIKE = "all development rows", "development rows of people alike"


@dataclass(frozen=True)
class Given:
    """What labels alone say of an attribute, and what is read among people alike in them.

    Attributes
    ----------
    labels : list of str
    alone : Measured
        Balanced accuracy of the better reader of the labels alone.
    reader : str
        That reader, picked on validation people.
    before, after : Measured or None
        Balanced accuracy of the strongest attacker on raw and protected templates, among people
        alike; None where refused.
    trained_on : dict of str to str
        The rows that the attacker was trained on, ``before`` and ``after``.
    balance : Measured or None
        Balanced accuracy of the labels alone among people alike: chance, if they are.
    effective_people : dict of str to float
        By class, how many people the weighted ones are worth.
    notes : list of str
        What is refused or doubtful.
    """

    labels: list
    alone: Measured
    reader: str
    before: Measured | None
    after: Measured | None
    trained_on: dict
    balance: Measured | None
    effective_people: dict
    notes: list

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            key: value._asdict() if isinstance(value, Measured) else value
            for key, value in vars(self).items()
        }


def given_of(
    train: Any,
    tested: Any,
    leakages: dict[str, Any],
    metrics: dict[str, str],
    *,
    max_train_rows: int,
    n_resamples: int,
    seed: int,
) -> Given | None:
    """Return what the labels ``given`` of an audit's rows say; None without them.

    Parameters
    ----------
    train, tested : Rows
        Of all development people and of the test people, with labels ``given``.
    leakages : dict of str to Leakage
        By side, raw (``X``) and ``protected``.
    metrics : dict of str to str
        By side.
    max_train_rows, n_resamples, seed : int
        The audit's.
    """
    labels = train.labels.get("given")
    if labels is None:
        return None
    if list(labels) != list(tested.labels.get("given", {})):
        raise InputError("test: given must name the labels that given names, in their order.")
    Z, Z_test = encode_labels(labels, tested.labels["given"])
    picked = balanced_rows(train.y, seed=seed, max_rows=max_train_rows)
    alone = _read_alone(Z, Z_test, train, tested, picked, seed)
    draws = {"n_resamples": n_resamples, "seed": seed}
    judge = BootstrappedAccuracy(tested.y, tested.identity, **draws)
    weight = overlap_weights(Z_test, tested.y, tested.identity, seed=seed)
    effective = effective_people(weight, tested.y, tested.identity)
    found: dict[str, Any] = {"before": None, "after": None, "balance": None, "trained_on": {}}
    notes = _doubts(effective)
    if min(effective.values()) >= MIN_PEOPLE:
        alike = BootstrappedAccuracy(tested.y, tested.identity, weight=weight, **draws)
        found["balance"] = _measure(alike, alone.correct)
        sample = _Sample(train, picked, overlap_weights(Z, train.y, train.identity, seed=seed))
        for side, when in (("X", "before"), ("protected", "after")):
            if side in leakages:
                best, how = sample.strongest(tested, leakages[side], side, metrics, seed)
                found[when], found["trained_on"][when] = _measure(alike, best), how
        if found["balance"].ci95[0] > 1 / len(effective):
            notes.append(
                "people are not quite alike: of them the labels alone still tell "
                f"{found['balance'].value:.3f}"
            )
    return Given(
        labels=list(labels),
        alone=_measure(judge, alone.correct),
        reader=alone.name,
        effective_people=effective,
        notes=notes,
        **found,
    )


@dataclass(frozen=True)
class _Alone:
    name: str
    correct: NDArray[Any]


def _read_alone(Z, Z_test, train, tested, picked, seed):
    """Return the reader of labels that reads most on validation people."""
    y, identity = train.y[picked], train.identity[picked]
    trained = [train_attacker(r, Z[picked], y, identity) for r in label_readers(seed)]
    best = max(trained, key=lambda reader: reader.validation)
    return _Alone(best.name, best.estimator.predict(Z_test) == tested.y)


def _measure(judge, correct):
    return Measured(judge.value(correct), judge.interval(correct))


def _doubts(effective):
    least = min(effective, key=lambda name: effective[name])
    people = f"people alike: those of class {least} are worth {effective[least]:.0f}"
    if effective[least] < MIN_PEOPLE:
        return [f"no reading among {people}, at least {MIN_PEOPLE} are needed"]
    if effective[least] < FEW_PEOPLE:
        return [f"few {people}, fewer than {FEW_PEOPLE}: the reading is unstable"]
    return []


class _Sample:
    """Development rows of people alike, drawn by their weights without repetition."""

    def __init__(self, train: Any, picked: Any, weight: Any) -> None:
        self.train, self.picked, self.weight = train, picked, weight

    def strongest(self, tested, leakage, side, metrics, seed):
        """Return which test rows the better of two attackers reads right, and its rows."""
        train, name = self.train, leakage.strongest
        X, X_test, pairs = side_views(train, tested, side, metrics, fitted=self.picked)
        options = {"seed": seed, "metric": metrics[side], "pairs": pairs}
        make = attackers(X["polar"].shape[1], [name], **options)[0]
        X, X_test = X[make.view], X_test[make.view]
        rows = self._draw(seed)
        as_trained = leakage.headline
        if rows is None:
            return as_trained.correct, ALL
        other = train_attacker(make, X[rows], train.y[rows], train.identity[rows])
        if self._validate(make, as_trained.parameters, X) >= other.validation:
            return as_trained.correct, ALL
        return other.estimator.predict(X_test) == tested.y, ALIKE

    def _draw(self, seed):
        """Return rows in which the attribute goes with no label, None if they are too few."""
        train = self.train
        chance = np.empty(len(train.y))
        for value in np.unique(train.y):
            own = train.y == value
            chance[own] = self.weight[own] / self.weight[own].max()
        kept = np.flatnonzero(np.random.default_rng([seed, 2]).random(len(chance)) < chance)
        classes = np.unique(train.y[kept])
        people = [len(np.unique(train.identity[kept][train.y[kept] == c])) for c in classes]
        if len(classes) < len(np.unique(train.y)) or min(people) < MIN_PEOPLE:
            return None
        return kept[balanced_rows(train.y[kept], seed=seed, max_rows=len(self.picked))]

    def _validate(self, make, parameters, X):
        """Return what the strongest attacker reads of people alike whom it was not trained on."""
        y, identity = self.train.y[self.picked], self.train.identity[self.picked]
        X, weight = X[self.picked], self.weight[self.picked]
        correct = np.zeros(len(y), dtype=bool)
        for fit, held_out in StratifiedGroupKFold(N_FOLDS).split(X, y, identity):
            estimator = clone(make.estimator)
            last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
            last.set_params(**parameters)
            correct[held_out] = estimator.fit(X[fit], y[fit]).predict(X[held_out]) == y[held_out]
        return BootstrappedAccuracy(y, identity, weight=weight, n_resamples=1).value(correct)
