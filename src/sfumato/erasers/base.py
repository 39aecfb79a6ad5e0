"""What every eraser does alike: it checks its input, fits, and looks at what comes out.

A method declares its parameters' rules and what it uses, and has ``_fit`` and ``_transform``;
nobody has to inspect it to find out what it can do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sfumato._constraints import Constraint, check_parameters
from sfumato.data.labels import N_GROUPS, as_names, class_codes
from sfumato.erasers._attributes import Attribute, check_length, read_attributes
from sfumato.erasers._effect import Sample, check_effect
from sfumato.erasers._graph import Graph
from sfumato.erasers._rows import check_variation, refuse_large, sum_of_squares
from sfumato.erasers._rules import LARGEST
from sfumato.errors import InputError
from sfumato.progress import Asked, told
from sfumato.validation import check_embeddings, plain_array


@dataclass(frozen=True)
class Primary:
    """Rows of a primary task of their own, whose protected attribute nobody needs to know.

    Parameters
    ----------
    X : array-like of shape (n_primary, n_features)
    identity : array-like of shape (n_primary,), optional
        Who is on each row.
    labels : array-like of shape (n_primary,), optional
        A class to keep for each row, such as smiling, in the place of identity.
    """

    X: Any
    identity: Any = None
    labels: Any = None


class Fitter(Protocol):
    """Fits an eraser to rows that come part by part."""

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Any:
        """Add rows and their attributes, none of them missing."""

    def finish(self) -> "Eraser":
        """Return the fitted eraser."""
        ...


class Eraser(TransformerMixin, BaseEstimator):
    """Base of the erasers: embeddings in, embeddings out, protected attributes taken out.

    A subclass has ``_fit(X, y, *, identity, context, primary, progress)``, where ``y`` is a list
    of :class:`~sfumato.erasers._attributes.Attribute`, one a column (empty unless
    ``reads_labels``), and what the class does not use is None; ``_transform(X)``; and
    ``_add_to(graph, x)``, if ONNX can express it.

    Attributes
    ----------
    constraints : dict of str to Constraint
        The rule of every parameter. A value with which the method does nothing breaks it.
    uses : tuple of str
        Which of "identity", "context", "population" and "primary" it learns from; one that uses
        "population" has it in ``_fit`` as ``(names, codes)``, default None.
    other_rows : bool
        Whether ``primary`` may be a :class:`Primary`.
    reads_labels : bool
        Whether it learns from ``y``.
    continuous, n_groups : bool, int
        Whether it takes out numbers on a scale; else, into how many groups tables' are cut.
    unit_length, metric, guarantee : bool, str or None, dict or None
        Whether its output has unit length; a comparator of its own, see
        :mod:`sfumato.metrics.comparators`; what its noise promises.
    strength : (str, tuple) or None
        The parameter to sweep over, and its values from weak to strong.
    fit_dtypes : tuple of type
        Of the rows that ``_fit`` gets; the first unless the given one is among them.
    """

    constraints: ClassVar[Mapping[str, Constraint]] = {}
    uses: ClassVar[tuple[str, ...]] = ()
    other_rows: ClassVar[bool] = False
    reads_labels: ClassVar[bool] = True
    continuous: ClassVar[bool] = False
    n_groups: ClassVar[int] = N_GROUPS
    unit_length: ClassVar[bool] = False
    metric: ClassVar[str | None] = None
    strength: ClassVar[tuple[str, tuple] | None] = None
    guarantee: Any = None
    fit_dtypes: ClassVar[tuple[type, ...]] = (np.float64,)

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        identity: ArrayLike | None = None,
        context: ArrayLike | None = None,
        population: ArrayLike | None = None,
        primary: Any = None,
        progress: Asked = None,
    ) -> Self:
        """Learn the map from embeddings and their protected attributes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Two rows or more, not all equal.
        y : array-like of shape (n_samples,) or (n_samples, n_attributes)
            Labels of the protected attributes, none missing, two classes or more each. Numbers
            on a scale are refused unless the class is ``continuous``. Not needed unless the
            class ``reads_labels``.
        identity : array-like of shape (n_samples,), optional
            Who is on each row. Ignored unless the class ``uses`` it.
        context : array-like of shape (n_samples, n_labels), optional
            Other labels (age, smile, data set ...), ``None`` or NaN where not known.
        population : array-like of shape (n_samples,), optional
            The population of each row, such as its data set; every class must occur in each.
        primary : array-like of shape (n_samples,) or Primary, optional
            Classes to keep, such as smiling, in the place of identity; or rows of their own.
        progress : callable, False or None, default=None
            Called as ``progress(n_done, n_total, what)``; None shows a bar where somebody looks,
            False none, see :mod:`sfumato.progress`.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a parameter, the rows or the labels break a rule; for what the class does not use.
        """
        check_parameters(self)
        rows = self._checked(X, reset=True)
        check_variation(rows)
        attributes = self._attributes(y, len(rows))
        given = {"context": context, "population": population, "primary": primary}
        for name, value in given.items():
            if value is not None and name not in self.uses:
                raise InputError(f"{type(self).__name__} takes no {name}; leave it out.")
        if identity is not None:
            check_length(identity, len(rows), "identity")
            identity = as_names(identity) if "identity" in self.uses else None
        if context is not None:
            check_length(context, len(rows), "context")
        more = {}
        if population is not None:
            check_length(population, len(rows), "population")
            more["population"] = class_codes(population, "population")
        with told(progress, f"fit {type(self).__name__}") as tell:
            self._fit(
                rows,
                attributes,
                identity=identity,
                context=context,
                primary=self._primary(primary, rows),
                progress=tell,
                **more,
            )
        sample = Sample().add(rows, [attribute.values for attribute in attributes])
        check_effect(self, sample, [attribute.classes for attribute in attributes])
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return the protected embeddings; float32 stays float32.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_out)
            Each row depends on that row of ``X`` alone.

        Raises
        ------
        InputError
            For rows that are not finite or of another number of features, and for a result that
            is not finite.
        """
        check_is_fitted(self)
        out = self._transform(self._checked(X, reset=False))
        if not math.isfinite(sum_of_squares(out)):
            bad = np.flatnonzero(~np.isfinite(out).all(axis=1))
            if bad.size:
                raise InputError(
                    f"{type(self).__name__}: the result of row {bad[0]} is not finite; the fitted "
                    "numbers are broken, fit again."
                )
        return out

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return a name for each feature of the output, for scikit-learn's ``set_output``.

        Parameters
        ----------
        input_features : ignored
        """
        check_is_fitted(self)
        n_out = self._transform(np.ones((1, self.n_features_in_))).shape[1]
        name = type(self).__name__.lower()
        return np.array([f"{name}{number}" for number in range(n_out)], dtype=object)

    def add_to(self, graph: Graph, x: str) -> str:
        """Add the fitted map to an ONNX graph.

        Parameters
        ----------
        graph : Graph
        x : str
            The value that holds the rows.

        Returns
        -------
        str
            The value that holds the protected rows.

        Raises
        ------
        InputError
            For a method that has no graph, with the reason.
        """
        check_is_fitted(self)
        return self._add_to(graph, x)

    def fitter(self, continuous: Mapping[str, bool]) -> Fitter | None:
        """Return what fits this eraser to rows that come part by part; None: it needs them all.

        Parameters
        ----------
        continuous : dict of str to bool
            The attributes by name, and whether they are numbers on a scale.
        """
        return None

    def _fit(self, X, y, *, identity, context, primary, progress):
        raise NotImplementedError

    def _transform(self, X):
        raise NotImplementedError

    def _add_to(self, graph, x):
        raise InputError(f"{type(self).__name__} has no ONNX form; apply it with sfumato protect.")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.reads_labels
        return tags

    def _checked(self, X, *, reset):
        """Return rows as a float array; finite, and small enough to be squared."""
        dtypes = self.fit_dtypes if reset else (np.float64, np.float32)
        masked = isinstance(X, np.ma.MaskedArray)
        if masked or hasattr(X, "detach") or getattr(X, "ndim", 2) == 1:
            X = plain_array(X)
        try:
            with np.errstate(over="ignore"):
                X = validate_data(
                    self, X, dtype=list(dtypes), reset=reset, ensure_all_finite=False
                )
        except InputError:
            raise
        except ValueError as error:
            text = str(error)
            raise InputError(text if "names" in text else " ".join(text.split())) from error
        if not sum_of_squares(X) < LARGEST**2:
            refuse_large(X)
        return X

    def _attributes(self, y, n_rows) -> list[Attribute]:
        if y is None and self.reads_labels:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; give "
                "the protected attribute of each row."
            )
        if not self.reads_labels:
            if y is not None:
                check_length(y, n_rows, "y")
            return []
        return read_attributes(y, n_rows, continuous=self.continuous)

    def _primary(self, primary, X):
        """Return the classes to keep as numbers, or a checked :class:`Primary`."""
        if primary is None:
            return None
        if not isinstance(primary, Primary):
            check_length(primary, len(X), "primary")
            return class_codes(primary, "primary")[1]
        if not self.other_rows:
            raise InputError(
                f"{type(self).__name__} takes no rows of their own as primary; give one class a "
                "row of X."
            )
        rows = check_embeddings(primary.X, "primary")
        if rows.shape[1] != X.shape[1]:
            raise InputError(
                f"primary must have as many features as X, {X.shape[1]}, got {rows.shape[1]}."
            )
        for name, values in {"identity": primary.identity, "labels": primary.labels}.items():
            if values is not None:
                check_length(values, len(rows), f"{name} of primary")
        return replace(
            primary,
            X=rows.astype(X.dtype),
            identity=None if primary.identity is None else as_names(primary.identity),
            labels=None if primary.labels is None else class_codes(primary.labels, "primary")[1],
        )
