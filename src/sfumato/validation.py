"""Checks of user input that several modules share."""

import importlib
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import INNER_SHARE, SEED, check_argument
from sfumato.errors import InputError, MissingExtraError


def check_scores(scores: ArrayLike, name: str) -> NDArray[Any]:
    """Return ``scores`` as a finite one-dimensional float array.

    Parameters
    ----------
    scores : array-like of shape (n_scores,)
    name : str
        The argument's name, for the message.

    Returns
    -------
    ndarray of shape (n_scores,)
        float32 stays float32, everything else becomes float64.

    Raises
    ------
    InputError
        If no numbers, empty, not one-dimensional, or with a NaN or infinite value.
    """
    scores = _as_floats(scores, name)
    if scores.ndim != 1 or scores.size == 0:
        raise InputError(f"{name} must be a non-empty 1-d array, got shape {scores.shape}.")
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise InputError(f"{name} must be finite, got {scores[row]} at position {row}.")
    return scores


def check_embeddings(X: ArrayLike, name: str = "X") -> Any:
    """Return ``X`` as a finite float array of shape (n_samples, n_features).

    float32 stays float32, everything else becomes float64.

    Raises
    ------
    InputError
        If no numbers, not two-dimensional, without rows or columns, or with a NaN or infinite
        value.
    """
    X = _as_floats(X, name)
    if X.ndim != 2 or 0 in X.shape:
        raise InputError(f"{name} must have shape (n_samples, n_features), got {X.shape}.")
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError(f"{name} must be finite, row {row} has a NaN or infinite value.")
    return X


def plain_array(values: Any) -> NDArray[Any]:
    """Return an array.

    A torch tensor leaves its graph, a sparse matrix is filled with its zeros, what is masked is
    missing (NaN, or None), and a column of vectors becomes a matrix.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    if hasattr(values, "toarray"):
        values = values.toarray()
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        missing, data = np.ma.getmaskarray(values), np.ma.getdata(values)
        numbers = data.dtype.kind == "f"
        values = np.array(data, dtype=None if numbers else object)
        values[missing] = np.nan if numbers else None
    array = np.asarray(values)
    if array.dtype == object and array.ndim == 1 and len({np.shape(row) for row in array}) == 1:
        return np.stack(list(array)) if np.ndim(array[0]) == 1 else array
    return array


def _as_floats(values, name):
    """Return an array of float32 if it was, else of float64."""
    try:
        array = plain_array(values)
        if array.dtype.kind == "c":
            raise TypeError("complex numbers")
        return array if array.dtype == np.float32 else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{name} must be an array of numbers ({text}).") from error


def check_images(images: ArrayLike, name: str = "images") -> NDArray[np.float32]:
    """Return ``images`` as float32 planes.

    Parameters
    ----------
    images : array-like of shape (n_images, 3, height, width)
        RGB in [0, 1].
    name : str, default="images"
        The argument's name, for the message.

    Returns
    -------
    ndarray of shape (n_images, 3, height, width), float32

    Raises
    ------
    InputError
        For another shape, no image, an integer type, NaN, or a value outside [0, 1].
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise InputError(
            f"{name} must have shape (n_images, 3, height, width), got {images.shape}."
        )
    if images.dtype.kind != "f":
        raise InputError(f"{name} must be floats in [0, 1], got {images.dtype}.")
    if not np.isfinite(images).all():
        row = int(np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))[0])
        raise InputError(f"{name} must be finite, image {row} has a NaN or infinite value.")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise InputError(f"{name} must lie in [0, 1], got values from {low:g} to {high:g}.")
    return np.ascontiguousarray(images, dtype=np.float32)


def check_fraction(value: Any, name: str) -> float:
    """Return ``value`` if it lies strictly between 0 and 1, else raise InputError."""
    return float(check_argument(value, INNER_SHARE, name))


def check_seed(value: Any) -> int:
    """Return ``value`` if torch, NumPy and scikit-learn all take it, else raise InputError."""
    return int(check_argument(value, SEED, "seed"))


def check_choice(value: Any, choices: Any, name: str) -> Any:
    """Return ``value`` if it is among ``choices``, else raise InputError listing them."""
    if not isinstance(value, Hashable) or value not in choices:
        listed = ", ".join(str(choice) for choice in choices)
        raise InputError(f"{name} must be one of {listed}, got {value!r}.")
    return value


def need(module: str, extra: str) -> Any:
    """Import an optional dependency, or raise a one-line error that names its extra.

    Parameters
    ----------
    module : str
        Import name, e.g. ``"torch"``.
    extra : str
        The extra of this package that installs it, e.g. ``"deep"``.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise MissingExtraError(extra, module) from error
