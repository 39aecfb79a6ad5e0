"""A sample of the rows that an eraser was fitted on, and what a model says of them."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import StandardScaler

from sfumato.data.labels import as_text
from sfumato.data.rows import unit_rows
from sfumato.errors import InputError
from sfumato.models.likeness import Likeness
from sfumato.models.read_table import ReadTable

MAX_ROWS = 16_384
#: People that a regression of a number is trained on, at most; half as many again test it.
N_TRAINED = 1500
#: What must be gone, as a share of what the regression reads of the raw rows.
MIN_GONE = 0.1


class FittedPeople:
    """A random sample of fitted rows, in bounded memory, and the sizes of their populations."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._columns: list[NDArray[Any]] = []
        self._counts: Counter[str] = Counter()

    def add(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        identity: NDArray[Any],
        population: Any,
        *,
        classes: Any = None,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
        y : ndarray of object of shape (n_rows, n_attributes)
            Labels as they stand in the tables.
        identity : ndarray of shape (n_rows,)
        population : str or ndarray of str of shape (n_rows,)
        classes : ndarray of str of shape (n_rows, n_attributes), optional
            What the eraser took them for; default: the labels.
        """
        groups = np.broadcast_to(np.asarray(population, dtype=object), len(X))
        self._counts.update(as_text(groups).tolist())
        classes = y if classes is None else classes
        keys = self._rng.random(len(X))
        new = [keys, X, y, classes, np.asarray(identity, dtype=object), groups]
        parts = zip(self._columns, new, strict=True) if self._columns else zip(new, strict=True)
        columns = [np.concatenate(pair) for pair in parts]
        # A random sample of all rows so far: those with the smallest keys.
        kept = np.sort(np.argsort(columns[0], kind="stable")[:MAX_ROWS])
        self._columns = [column[kept] for column in columns]

    def populations(self, tables: Any, read: Any, by: str | None) -> list[dict[str, Any]]:
        """Return name, number of rows and how the labels are known of each population."""
        named = by not in (None, "table")
        found: list[dict[str, Any]] = [
            {"name": name, "n_rows": n, "labels": "given"}
            for name, n in sorted(self._counts.items())
        ]
        if named:
            return found
        for entry in found:
            number = int(entry["name"].split()[-1])
            if number < len(tables):
                table = tables[number]
                entry["source"] = table.info.source
                if isinstance(table, ReadTable):
                    entry |= {"labels": "read", "sure": table.sure}
            else:
                reading = read[number - len(tables)].to_dict()
                entry |= {"source": reading["table"], "labels": "read", "sure": reading["sure"]}
        return found

    def likeness(self, labels: Any) -> Likeness | None:
        """Return the moments of people, one row each; None of too few."""
        X, y, classes, identity, groups = self._one_each()
        numbers = [name for name in labels.names if labels.continuous[name]]
        kept = [n for n, name in enumerate(labels.names) if name not in numbers]
        columns = [as_text(groups), *(as_text(classes[:, n]) for n in kept)]
        cells = [" x ".join(map(str, row)) for row in zip(*columns, strict=True)]
        return Likeness.of(X, cells)

    def check_numbers(self, eraser: Any, labels: Any) -> dict[str, str]:
        """Return how each number on a scale was treated, and what a regression reads of it.

        Raises
        ------
        InputError
            If one is as readable as before.
        """
        treated = labels.treated(eraser, self._counts.total())
        X, y, *_ = self._one_each() if treated else ([], [])
        for name in treated:
            values = y[:, labels.names.index(name)]
            known = np.array([value is not None for value in values.tolist()])
            treated[name] += _check_number(eraser, name, X[known], values[known].astype(float))
        return treated

    def _one_each(self):
        """Return the sample's columns, without the keys, of one row a person."""
        identity = as_text(self._columns[4]).astype(str)
        first = np.sort(np.unique(identity, return_index=True)[1])
        return [column[first] for column in self._columns[1:]]


def _check_number(eraser, name, X, values):
    raw, n = unit_rows(X[: N_TRAINED * 3 // 2].astype(np.float64)), N_TRAINED
    values = values[: len(raw)]
    n = min(n, len(raw) * 2 // 3)
    if n < 100:
        return "; too few people to say what a regression reads"
    protected = unit_rows(np.asarray(eraser.transform(X[: len(raw)]), dtype=np.float64))
    guess = float(np.abs(values[n:] - np.median(values[:n])).mean())
    before, after = (_regression_error(Z, values, n) for Z in (raw, protected))
    if before < 0.9 * guess and after - before < MIN_GONE * (guess - before):
        raise InputError(
            f"{name} stays readable: a regression by a kernel is off by {after:.3g} on protected "
            f"rows, on raw ones by {before:.3g}, guessing by {guess:.3g}; take barycentre, or "
            "give groups of it as classes."
        )
    return (
        f"; a regression by a kernel, on other people, is off by {after:.3g}, on raw rows by "
        f"{before:.3g}, guessing by {guess:.3g}"
    )


def _regression_error(X, values, n):
    """Return the mean absolute error of a kernel ridge on the rows after the first n."""
    mean, scale = values[:n].mean(), values[:n].std() or 1.0
    scaler = StandardScaler().fit(X[:n])
    Z, target = scaler.transform(X), (values - mean) / scale
    fold, errors = n * 3 // 4, {}
    for alpha in (0.3, 3.0, 30.0):
        machine = KernelRidge(kernel="rbf", gamma=0.5 / X.shape[1], alpha=alpha)
        found = machine.fit(Z[:fold], target[:fold]).predict(Z[fold:n])
        errors[alpha] = np.abs(found - target[fold:n]).mean()
    alpha = min(errors, key=errors.__getitem__)
    machine = KernelRidge(kernel="rbf", gamma=0.5 / X.shape[1], alpha=alpha)
    found = machine.fit(Z[:n], target[:n]).predict(Z[n:])
    return float(np.abs(found - target[n:]).mean() * scale)
