"""Classes: of labels, of what a user hides and keeps, and the one that a picture is to show.

The one home of these checks; it knows no method.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.data.labels import as_classes, as_text
from sfumato.errors import InputError

#: Attributes and their classes in the papers' experiments; ages as in PrivacyNet's Eq. 9.
ATTRIBUTES = {
    "gender": ("female", "male"),
    "race": ("black", "white"),
    "age": ("young", "middle", "old"),
}
AGE_ENDS_YEARS = (30, 45)
#: To each attribute one label an image.
Labels = Mapping[str, Sequence | NDArray]
#: Attributes to hide, or to each the class to show, None where free.
Hide = str | Iterable[str] | Mapping[str, str | None]


def age_group(years: ArrayLike) -> NDArray[np.str_]:
    """Return "young" (up to 30), "middle" (31 to 45) or "old" of ages, PrivacyNet's Eq. 9.

    Parameters
    ----------
    years : array-like of shape (n_samples,)

    Returns
    -------
    ndarray of str of shape (n_samples,)

    Examples
    --------
    >>> age_group([30, 31, 45, 46]).tolist()
    ['young', 'middle', 'middle', 'old']
    """
    years = np.asarray(years, dtype=float)
    if np.isnan(years).any():
        raise InputError("years must be known; leave out rows without an age.")
    return np.array(ATTRIBUTES["age"])[np.searchsorted(AGE_ENDS_YEARS, years, side="left")]


def known_labels(values: Sequence | NDArray, name: str, n_images: int) -> NDArray[np.str_]:
    """Return the labels of one attribute as strings.

    Parameters
    ----------
    values : array-like of shape (n_images,)
    name : str
        The attribute, for the message.
    n_images : int
        How many there must be.

    Returns
    -------
    ndarray of str of shape (n_images,)

    Raises
    ------
    InputError
        For a missing label, another number of them, or numbers that are no classes.
    """
    _check_length(values, name, n_images)
    classes = as_classes(values, name)
    missing = [row for row, value in enumerate(classes.tolist()) if value is None]
    if missing:
        raise InputError(f"{name}, row {missing[0]}: no label; leave out rows without one.")
    return classes.astype(str)


def _check_length(values, name, n_images):
    if len(values) != n_images:
        raise InputError(f"{name} must have one label an image, {n_images}, got {len(values)}.")


def class_numbers(
    values: Sequence | NDArray, classes: Sequence[str], name: str, n_images: int
) -> NDArray[np.int64]:
    """Return the numbers of classes; an unknown one is refused with its row.

    Parameters
    ----------
    values : array-like of str of shape (n_samples,)
    classes : sequence of str
    name : str
        The attribute, for the message.
    n_images : int
        How many there must be.

    Returns
    -------
    ndarray of int of shape (n_samples,)
    """
    _check_length(values, name, n_images)
    number = {value: n for n, value in enumerate(as_text(classes))}
    values = as_text(values)
    for row, value in enumerate(values):
        if value not in number:
            raise InputError(f"{name}, row {row}: {value!r} is none of {', '.join(classes)}.")
    return np.array([number[value] for value in values], dtype=np.int64)


def classes_and_codes(
    labels: Labels, n_images: int
) -> tuple[dict[str, list[str]], dict[str, NDArray[np.int64]]]:
    """Return the classes of each attribute, and the class of every image as a number.

    Parameters
    ----------
    labels : dict of str to array-like of shape (n_images,)
    n_images : int

    Returns
    -------
    attributes : dict of str to list of str
        The classes that occur: of :data:`ATTRIBUTES` in their order there, of other attributes
        in alphabetical order.
    codes : dict of str to ndarray of int of shape (n_images,)

    Raises
    ------
    InputError
        Without an attribute, for a missing label, another number of them, or a single class.

    Examples
    --------
    >>> classes_and_codes({"age": ["old", "young"]}, 2)
    ({'age': ['young', 'old']}, {'age': array([1, 0])})
    """
    if not labels:
        raise InputError("labels must have at least one attribute, got none.")
    attributes, codes = {}, {}
    for name, values in labels.items():
        values = known_labels(values, name, n_images)
        classes, usual = sorted(set(values.tolist())), ATTRIBUTES.get(name, ())
        if len(classes) < 2:
            raise InputError(f"{name} needs at least 2 classes, got {', '.join(classes)}.")
        if set(classes) <= set(usual):
            classes = [value for value in usual if value in classes]
        attributes[name] = classes
        codes[name] = class_numbers(values, classes, name, n_images)
    return attributes, codes


def check_choice_of(
    attributes: Mapping[str, Sequence[str]], hide: Hide, keep: str | Iterable[str] = ()
) -> dict[str, str | None]:
    """Return what to hide as a dict from attribute to the class to show, None where free.

    Parameters
    ----------
    attributes : dict of str to sequence of str
        What the perturber can change: its attributes and their classes.
    hide : str, iterable of str, or mapping of str to str or None
        A mapping names the class to show.
    keep : str or iterable of str, default=()

    Raises
    ------
    InputError
        For an unknown attribute or class, one both hidden and kept, or nothing to hide.
    """
    hide = [hide] if isinstance(hide, str) else hide
    wanted = dict(hide) if isinstance(hide, Mapping) else dict.fromkeys(hide)
    keep = [keep] if isinstance(keep, str) else list(keep)
    known = ", ".join(attributes)
    for name in (*wanted, *keep):
        if name not in attributes:
            raise InputError(f"cannot hide or keep {name!r}; the attributes are {known}.")
    if not wanted:
        raise InputError(f"hide must name at least one of {known}.")
    both = [name for name in wanted if name in keep]
    if both:
        raise InputError(f"{', '.join(both)} cannot be both hidden and kept.")
    for name, shown in wanted.items():
        if shown is not None and shown not in attributes[name]:
            raise InputError(
                f"{name} has no class {shown!r}; it has {', '.join(attributes[name])}."
            )
    return wanted


def target_codes(
    codes: NDArray[np.integer],
    n_classes: int,
    rng: np.random.Generator,
    *,
    shown: int | None = None,
    at_random: bool = False,
) -> NDArray[np.integer]:
    """Return the class that each picture is to show.

    Parameters
    ----------
    codes : ndarray of int of shape (n_images,)
        Classes now.
    n_classes : int
    rng : numpy.random.Generator
    shown : int, optional
        The class to show on all pictures.
    at_random : bool, default=False
        Draw among all classes, its own too: then nobody can turn the answer round. Else one of
        the others, with two classes the opposite.

    Returns
    -------
    ndarray of int of shape (n_images,)
    """
    if shown is not None:
        return np.full(len(codes), shown)
    if at_random:
        return rng.integers(n_classes, size=len(codes))
    return (codes + rng.integers(1, n_classes, size=len(codes))) % n_classes


def every_choice(
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, dict[str, str | None]]:
    """Return all ways to hide, by their names in the papers: 15 for the usual attributes.

    Parameters
    ----------
    attributes : dict of str to sequence of str, optional
        Default: :data:`ATTRIBUTES`.

    Returns
    -------
    dict of str to dict
        ``"G"``, ``"R"``, ``"A0"``, ``"G+A2"``, ...: what to give as ``hide``. An attribute of
        two classes is hidden or not; one of more is not, or shows one of them.

    Examples
    --------
    >>> list(every_choice())[:6]
    ['A0', 'A1', 'A2', 'R', 'R+A0', 'R+A1']
    >>> every_choice()["G+A2"]
    {'gender': None, 'age': 'old'}
    """
    attributes = ATTRIBUTES if attributes is None else attributes
    choices = []
    for name, classes in attributes.items():
        letter = name[0].upper()
        ways: list[tuple[str, dict]] = [("", {})]
        if len(classes) == 2:
            ways.append((letter, {name: None}))
        else:
            ways += [(f"{letter}{n}", {name: shown}) for n, shown in enumerate(classes)]
        choices.append(ways)
    found = {}
    for chosen in itertools.product(*choices):
        names = [name for name, _ in chosen if name]
        if names:
            found["+".join(names)] = {key: v for _, hide in chosen for key, v in hide.items()}
    return found
