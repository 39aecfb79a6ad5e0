"""A reader of several attributes on templates: kilobytes, and NumPy alone to run."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sfumato._constraints import (
    NOT_NEGATIVE_INT,
    POSITIVE,
    POSITIVE_INT,
    SEED,
    SHARE,
    Interval,
    StrOptions,
    check_parameters,
)
from sfumato._fitted import Array, check_arrays, construct
from sfumato.data.splits import split_identities
from sfumato.errors import InputError
from sfumato.nets.dense import dense_forward
from sfumato.outcomes import Progress
from sfumato.readers.tasks import (
    AgeTask,
    make_task,
    reading_of,
    task_from_dict,
    task_to_dict,
)
from sfumato.validation import need


class TemplateReader(BaseEstimator):
    """Read gender, age and others off templates with one small network.

    Parameters
    ----------
    n_units : int, default=256
        Of each hidden layer, with ReLU.
    n_layers : int, default=2
        Hidden layers; 0 reads with a linear layer.
    age_model : {"coral", "ce", "or", "corn"}, default="coral"
        For attributes whose name ends in ``_years``.
    n_epochs : int, default=30
    batch_size : int, default=256
    learning_rate : float, default=1e-3
    dropout : float, default=0.2
    balance : float in [0, 1], default=0.5
        Classes weigh ``frequency ** -balance``.
    seed : int, default=0

    Attributes
    ----------
    network_ : dict of str to ndarray
        ``weight_0``, ``bias_0``, ... of the hidden layers, ``shift`` and ``scale`` of the
        templates, and of each attribute ``NAME weight`` and ``NAME bias``.
    tasks_ : list of ClassTask or AgeTask
    history_ : list of dict
        Loss and validation scores of each epoch.
    n_features_in_ : int

    Notes
    -----
    It is a reader: that it fails on a protected template proves nothing.
    """

    kind, method = "templates", "template-reader"
    about: dict = {}
    sha256: str | None = None  # Of the file that it was read from.
    checked: bool = True  # Whether that file had a checksum.

    constraints: ClassVar = {
        "n_units": POSITIVE_INT,
        "n_layers": NOT_NEGATIVE_INT,
        "age_model": StrOptions({"coral", "ce", "or", "corn"}),
        "n_epochs": POSITIVE_INT,
        "batch_size": POSITIVE_INT,
        "learning_rate": POSITIVE,
        "dropout": Interval(Real, 0, 1, closed="left"),
        "balance": SHARE,
        "seed": SEED,
    }

    def __init__(
        self,
        *,
        n_units: int = 256,
        n_layers: int = 2,
        age_model: str = "coral",
        n_epochs: int = 30,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        dropout: float = 0.2,
        balance: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.n_units = n_units
        self.n_layers = n_layers
        self.age_model = age_model
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.balance = balance
        self.seed = seed

    def fit(
        self,
        X: Any,
        labels: dict[str, Any],
        *,
        identity: Any | None = None,
        validation: Any | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Train; needs the extra ``deep``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings as the encoder gives them.
        labels : dict of str to array-like of shape (n_samples,)
            To each attribute its labels; None, NaN or an empty string where not known.
        identity : array-like of shape (n_samples,), optional
            Who is on each row, to part the validation rows by people; default: every row
            another.
        validation : array-like of bool of shape (n_samples,), optional
            Rows to pick the epoch and the temperatures by; default: those of a tenth of the
            people.
        progress : callable, optional
            Called as ``progress(n_done, n_total, what)``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For labels of another length, an attribute of one class, or no validation row.
        """
        need("torch", "deep")
        check_parameters(self)
        from sfumato.readers._templates_training import train_templates

        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=20)
        if not labels:
            raise InputError("labels must name at least one attribute.")
        for name, values in labels.items():
            if len(values) != len(X):
                raise InputError(f"{name} must have one label a row, {len(X)}, got {len(values)}.")
        if validation is None:
            people = np.arange(len(X)) if identity is None else identity
            chosen, _ = split_identities(people, 0.1, seed=f"validation {self.seed}")
            validation = np.zeros(len(X), dtype=bool)
            validation[chosen] = True
        validation = np.asarray(validation, dtype=bool)
        tasks = [make_task(name, values, self.age_model) for name, values in labels.items()]
        self.network_, self.tasks_, self.history_ = train_templates(
            self, X, tasks, labels, validation, progress
        )
        return self

    def read(self, X: ArrayLike) -> dict[str, Any]:
        """Return what the templates say of each attribute.

        Parameters
        ----------
        X : array-like of shape (n_faces, n_features)

        Returns
        -------
        dict of str to Reading
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        net = self.network_
        features = (X - net["shift"]) / net["scale"]
        if self.n_layers:
            hidden = {k: v for k, v in net.items() if k.startswith(("weight_", "bias_"))}
            features = dense_forward(hidden, features, activate_last=True)
        return {task.name: reading_of(task, self._logits(task, features)) for task in self.tasks_}

    def to_state(self) -> tuple[Any, ...]:
        """Return parameters, plain state and arrays, all that a file of the reader holds."""
        check_is_fitted(self)
        tasks = [task_to_dict(task) for task in self.tasks_]
        return self.get_params(), {"tasks": tasks}, self.network_

    @classmethod
    def from_state(cls, parameters: Any, state: Any, arrays: Any) -> Any:
        """Return the reader of :meth:`to_state`.

        Raises
        ------
        InputError
            For an unknown parameter or array, a missing one, or shapes that do not fit.
        """
        reader = construct(cls, parameters)
        reader.tasks_ = [task_from_dict(task) for task in state["tasks"]]
        check_arrays(_layout(reader.n_layers, reader.tasks_), arrays)
        reader.network_, reader.n_features_in_ = arrays, len(arrays["shift"])
        return reader

    def _logits(self, task, features):
        weight, bias = (self.network_[f"{task.name} {part}"] for part in ("weight", "bias"))
        logits = features @ weight.T + bias
        pairs = isinstance(task, AgeTask) and task.model == "or"
        return logits.reshape(len(logits), -1, 2) if pairs else logits


def _layout(n_layers, tasks):
    """Return the arrays that a reader has, with their shapes."""
    units = ["d", *(f"u{n}" for n in range(n_layers))]
    found = {"shift": Array("d"), "scale": Array("d")}
    for n in range(n_layers):
        found |= {f"weight_{n}": Array(units[n + 1], units[n]), f"bias_{n}": Array(units[n + 1])}
    for task in tasks:
        found[f"{task.name} weight"] = Array(f"rows of {task.name}", units[-1])
        found[f"{task.name} bias"] = Array(f"outputs of {task.name}")
    return found
