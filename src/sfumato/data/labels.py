"""One meaning for names, labels and missing values, in arrays, tables, CSV files and options.

- Missing: ``None``, NaN, NaT, pandas' NA, and text that is blank or spells one of
  :data:`MISSING_TEXT`.
- One text for one value: 7, 7.0 and ``"7"`` are ``"7"``; True is ``"true"``. Text stays as it is.
- Of names and labels in tables, a text has at most :data:`MAX_TEXT` characters.
- Numbers with at most :data:`N_DISTINCT` distinct values, all whole, are classes; other numbers
  are continuous.
"""

import numbers
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.errors import InputError

#: How tools spell "not available" where a file has text alone (pandas' and R's words).
MISSING_TEXT = frozenset(
    ("NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "-NaN", "-nan", "NaT", "NULL", "null")
    + ("None", "none")
)
#: Characters of a name or a label in a table: what is longer is a text about something.
MAX_TEXT = 1_000
#: Whole numbers with more distinct values than this are continuous.
N_DISTINCT = 10
#: Into how many groups the continuous labels of tables are cut.
N_GROUPS = 3


def is_missing(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which values are missing, bool of the shape of ``values``.

    Examples
    --------
    >>> is_missing(["m", "", None, float("nan"), "NA", " "]).tolist()
    [False, True, True, True, True, True]
    """
    array = as_array(values)
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind in "biu":
        return np.zeros(array.shape, dtype=bool)
    if array.dtype.kind in "mM":
        return np.isnat(array)
    flat = [_is_missing(value) for value in array.ravel().tolist()]
    return np.array(flat, dtype=bool).reshape(array.shape)


def as_text(values: ArrayLike) -> NDArray[np.object_]:
    """Return the one text of each value, ``None`` where it is missing.

    Parameters
    ----------
    values : array-like of any shape
        Text, numbers, booleans.

    Returns
    -------
    ndarray of object, of the same shape

    Raises
    ------
    InputError
        For values that are neither text, numbers nor booleans, such as lists.

    Examples
    --------
    >>> as_text([7, 7.0, "7", True, None]).tolist()
    ['7', '7', '7', 'true', None]
    """
    array = as_array(values)
    if array.dtype.kind in "biufU":
        # Few distinct values: say each once.
        distinct, codes = np.unique(array, return_inverse=True)
        texts = np.array([_text(value) for value in distinct.tolist()] or [None], dtype=object)
        return texts[codes.reshape(array.shape)]
    flat = np.empty(array.size, dtype=object)
    flat[:] = [_text(value) for value in array.ravel().tolist()]
    return flat.reshape(array.shape)


def as_names(identity: ArrayLike, name: str = "identity") -> NDArray[Any]:
    """Return names, such as identities, as text; a missing one is refused.

    Parameters
    ----------
    identity : array-like of shape (n_samples,)
    name : str, default="identity"
        What the message calls them.

    Raises
    ------
    InputError
        If not one-dimensional, or with a missing name, giving the row (from 0).
    """
    texts = as_text(identity)
    if texts.ndim != 1:
        raise InputError(f"{name} must be one-dimensional, got shape {texts.shape}.")
    for row, text in enumerate(texts.tolist()):
        if text is None:
            raise InputError(f"{name} of row {row} is missing; drop the row or name it.")
    return texts.astype(str)


def is_continuous(values: ArrayLike) -> bool:
    """Return whether known values are numbers on a scale rather than classes.

    Examples
    --------
    >>> is_continuous([0, 1, 2]), is_continuous([0.0, 1.0]), is_continuous([0.5, 1.5])
    (False, False, True)
    """
    distinct = np.unique(_known_numbers(values))
    return len(distinct) > N_DISTINCT or not bool((distinct == np.floor(distinct)).all())


def as_classes(
    values: ArrayLike,
    name: str = "y",
    *,
    n_groups: int | None = None,
    like: ArrayLike | None = None,
) -> NDArray[np.object_]:
    """Return the class of each row as text, ``None`` where it is missing.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
    name : str, default="y"
        The attribute, for the message.
    n_groups : int, optional
        Cut continuous numbers into so many groups at their quantiles; default: refuse them.
    like : array-like, optional
        The values that decide whether and where to cut, so that two tables have the same
        groups; default ``values``.

    Raises
    ------
    InputError
        For infinite numbers, continuous numbers without ``n_groups``, or text where ``like`` is
        continuous.

    Examples
    --------
    >>> as_classes(np.arange(12), n_groups=3)[[0, 5, 11]].tolist()
    ['<= 3.67', '3.67 - 7.33', '> 7.33']
    """
    like = values if like is None else like
    for given in (values, like):
        refuse_infinite(given, name)
    if not is_continuous(like):
        return as_text(values)
    if n_groups is None:
        raise InputError(f"{name} is {say_continuous(like)}; give classes, such as groups of it.")
    cuts = np.unique(np.quantile(_known_numbers(like), np.arange(1, n_groups) / n_groups))
    known, missing = _known_numbers(values), is_missing(values)
    if known.size < np.sum(~missing):
        raise InputError(f"{name} holds text in one place and continuous numbers in another.")
    # Three digits, or all before the point: years differ in the fourth.
    digits = max(3, min(15, len(f"{np.abs(cuts).max():.0f}")))
    text = [f"{cut:.{digits}g}" for cut in cuts]
    between = [f"{low} - {high}" for low, high in zip(text, text[1:], strict=False)]
    names = np.array([f"<= {text[0]}", *between, f"> {text[-1]}"], dtype=object)
    result = np.full(np.shape(values), None, dtype=object)
    result[~missing] = names[np.searchsorted(cuts, known)]
    return result


def refuse_infinite(values: ArrayLike, name: str) -> None:
    """Raise InputError if a label is an infinite number, which no method takes."""
    known = _known_numbers(values)
    wrong = known[np.isinf(known)]
    if wrong.size:
        raise InputError(f"{name} holds {wrong[0]:g}; correct it or leave it empty.")


def say_continuous(values: ArrayLike) -> str:
    """Return in words that numbers are continuous, how many there are and from where to where.

    Examples
    --------
    >>> say_continuous([0.5, 2, None])
    'continuous (2 distinct numbers from 0.5 to 2)'
    """
    known = _known_numbers(values)
    return (
        f"continuous ({len(np.unique(known))} distinct numbers from {known.min():g} "
        f"to {known.max():g})"
    )


def class_codes(y: ArrayLike, name: str = "y") -> tuple[list[str], NDArray[Any]]:
    """Return the classes of one attribute, or of several crossed, as numbers.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Classes, none of them missing.
    name : str, default="y"
        The argument, for the message.

    Returns
    -------
    classes : list of str
        Sorted; values of several attributes are joined by ``" x "``.
    codes : ndarray of shape (n_samples,)
        The number of each row's class.

    Raises
    ------
    InputError
        For a missing label, continuous numbers, or fewer than two classes.

    Examples
    --------
    >>> class_codes([["f", "white"], ["m", "black"], ["f", "white"]])
    (['f x white', 'm x black'], array([0, 1, 0]))
    """
    array = as_array(y)
    columns = [array] if array.ndim == 1 else list(array.T)
    texts = np.stack([as_classes(column, name) for column in columns], axis=1)
    missing = np.flatnonzero((texts == None).any(axis=1))  # noqa: E711  (elementwise)
    if missing.size:
        raise InputError(f"{name}, row {missing[0]}: the label is missing; leave the row out.")
    joined = [" x ".join(row) for row in texts.tolist()]
    classes, codes = np.unique(np.array(joined, dtype=str), return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"{name} needs at least 2 classes, got {', '.join(classes) or 'none'}.")
    return classes.tolist(), codes.astype(np.int64)


def as_array(values: ArrayLike) -> NDArray[Any]:
    """Return an array whose values are as they were given."""
    if np.ma.isMaskedArray(values):
        array = np.ma.getdata(values).astype(object)
        array[np.ma.getmaskarray(values)] = None
        return array
    if isinstance(values, np.ndarray):
        return values
    # As objects: NumPy would make text of [7, "a"], and floats of [7, None].
    return (
        np.array(values, dtype=object) if isinstance(values, list | tuple) else np.asarray(values)
    )


def _known_numbers(values: ArrayLike) -> NDArray[np.float64]:
    """Return the values that are not missing if all are numbers, else none."""
    array = as_array(values)
    known = array[~is_missing(array)]
    if not (known.dtype.kind in "iuf" or all(map(_is_number, known.tolist()))):
        return np.empty(0)
    try:
        return known.astype(np.float64)
    except OverflowError:
        raise InputError("labels must be numbers below 1e308 in size.") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool | np.bool_)


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        text = value.strip()
        return not text or text in MISSING_TEXT
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA has no truth value; an array has several.
        return type(value).__name__ in ("NAType", "NaTType")


def _text(value: Any) -> str | None:
    if _is_missing(value):
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return str(int(value))  # A float has no room for all digits.
    if isinstance(value, numbers.Real | Decimal):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    raise InputError(
        f"labels and names must be text, numbers or booleans, got {type(value).__name__}."
    )
