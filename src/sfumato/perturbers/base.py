"""What all perturbers share: checks, sizes, and which class a picture is to show."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sfumato._constraints import (
    SEED,
    Constraint,
    StrOptions,
    check_parameters,
    declared_constraints,
)
from sfumato.errors import InputError
from sfumato.perturbers.choice import Hide, Labels, check_choice_of, class_numbers, target_codes
from sfumato.perturbers.images import resized
from sfumato.validation import check_images

BATCH = 32
#: What reads the classes of a picture without labels: the method, or sfumato's reader of pixels.
LABELLER = StrOptions({"own", "reader"})


class Perturber(BaseEstimator):
    """A change of pictures that hides attributes; a method gives ``fit`` and three more.

    A method's ``__init__`` stores at least ``seed``. Its class declares

    - ``constraints`` : dict of str to Constraint, the rule of each parameter, which ``fit``
      checks first, by :func:`sfumato._constraints.check_parameters`;
    - ``fit_options`` : what ``fit`` takes besides images and labels;
    - ``scaled_by`` : the parameter that says how much a fitted one changes, if there is one;
    - ``also_shown`` : dict of str to sequence of str, what it can show besides the classes.

    ``fit`` sets ``attributes_``, a dict of str to list of str: what it can hide and the classes;
    ``size_``, the pixels a side of the pictures it works on; and, with a trailing underscore,
    arrays or dicts of arrays that are all it needs to work again. It has

    - ``_codes(x)`` : dict of str to ndarray of int, the classes that it sees on pictures, used
      where no labels are given;
    - ``_perturb(x, now, then, hidden)`` : Tensor, pictures of shape (n, 3, size, size) in [0, 1]
      that show the classes ``then`` in the place of ``now`` (dicts of int arrays by attribute);
      ``hidden`` names the attributes to hide;
    - ``_build()``, if it has networks: what ``_networks()`` returns, made of the weights once;
    - a parameter ``labeller``, if it can ask another reader than its own;
    - ``opponents``, the bundled readers that a change is made against while it is searched, so
      that they are no witnesses of what others read; dlib's matcher is one too;
    - ``fields(images, ...)``, where it is ``smooth``: its change as fields without a resolution
      (:func:`sfumato.perturbers.photos.change_region`), which photos take at their own size.
    """

    constraints: ClassVar[Mapping[str, Constraint]] = {"seed": SEED}
    fit_options: ClassVar[frozenset[str]] = frozenset({"progress"})
    scaled_by: ClassVar[str | None] = None
    also_shown: Mapping[str, Sequence[str]] = {}
    labeller: str = "own"
    smooth: ClassVar[bool] = False
    opponents: Sequence[str] = ()
    about: Mapping[str, Any] = {}  # What it was trained on and what was measured, its model card.
    sha256: str | None = None  # Of the file that it was read from.
    checked: bool = True  # Whether that file had a checksum.
    method: str | None = None  # Registered name and fingerprint of the one that was exported.
    fingerprint: str | None = None
    _nets: Any = None

    @property
    def shown_(self) -> dict[str, list[str]]:
        """What ``hide`` may name: each attribute's classes, then what is shown besides."""
        return {
            name: [*classes, *self.also_shown.get(name, ())]
            for name, classes in self.attributes_.items()
        }

    def transform(
        self,
        images: ArrayLike,
        *,
        hide: Hide,
        keep: str | Iterable[str] = (),
        labels: Labels | None = None,
        at_random: bool = False,
        seed: int | Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """Return pictures on which machines misread the hidden attributes.

        Parameters
        ----------
        images : array-like of shape (n_images, 3, height, width)
            Faces cut out as by :func:`sfumato.faces.crops.crop_face`, RGB in [0, 1], any size.
        hide : str, iterable of str, or mapping of str to str
            Attributes; a mapping names the class to show, such as ``{"age": "old"}``. Else
            another class than the present one, drawn from the seed.
        keep : str or iterable of str, default=()
            Attributes that must stay readable. All that are not hidden are kept; naming them
            makes a method refuse that cannot keep them.
        labels : dict of str to array-like of shape (n_images,), optional
            The classes now; default: what the method itself sees.
        at_random : bool, default=False
            Draw the class to show among all, the present one too, so that nobody can turn the
            answer round.
        seed : int or sequence of int, optional
            Of this call's draws, in the place of the perturber's own.

        Returns
        -------
        ndarray of shape (n_images, 3, height, width), float32
            In [0, 1]. The change is computed at the method's size, scaled and added, so that
            what is finer than that stays as it was.

        Raises
        ------
        InputError
            For bad parameters, images, attributes, classes, labels or seed, or where an image
            comes out with a NaN.
        """
        parts = self._parts(images, hide, keep, labels, at_random, seed)
        found = np.concatenate([self._shown(*part) for part in parts])
        if not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found).all(axis=(1, 2, 3)))[0])
            raise InputError(
                f"{type(self).__name__} made image {row} NaN; lower its strength or fit it anew."
            )
        return found

    def trial(self) -> Self:
        """Return a perturber that shows, as fast as it can, whether this one works."""
        return self

    def _parts(self, images, hide, keep, labels, at_random, seed):
        """Yield images, the same at the method's size, classes now and to show, and the hidden."""
        check_is_fitted(self)
        check_parameters(self)
        images = check_images(images)
        wanted = check_choice_of(self.shown_, hide, keep)
        given = self._given(labels, len(images))
        rng = _generator(self.seed if seed is None else seed)
        draws = {
            name: int(seed)
            for name, seed in zip(wanted, rng.integers(2**32, size=len(wanted)), strict=True)
        }
        for start in range(0, len(images), BATCH):
            rows = slice(start, start + BATCH)
            yield self._part(images[rows], rows, wanted, given, draws, at_random)

    def _part(self, images, rows, wanted, given, draws, at_random):
        small = resized(images, self.size_, self.size_)
        now = {name: codes[rows] for name, codes in given.items()}
        if len(now) < len(self.attributes_):
            now = self._read(small) | now
        then = dict(now)
        for name, shown in wanted.items():
            then[name] = target_codes(
                now[name],
                len(self.attributes_[name]),
                np.random.default_rng([draws[name], rows.start]),
                shown=None if shown is None else list(self.shown_[name]).index(shown),
                at_random=at_random,
            )
        return images, small, now, then, tuple(wanted)

    def _shown(self, images, small, now, then, hidden):
        """Return pictures that show the wished classes, at their own size."""
        change = self._perturb(small, now, then, hidden) - small
        height, width = images.shape[-2:]
        return np.clip(images + resized(change, height, width).numpy(), 0, 1)

    def _read(self, x):
        """Return the classes that pictures show, by the labeller where it knows them."""
        found = {}
        if self.labeller == "reader":
            from sfumato.perturbers._labels import read_codes

            found = read_codes(x, self.attributes_)
        return found if len(found) == len(self.attributes_) else self._codes(x) | found

    def _networks(self):
        """Return what ``_build`` makes of the fitted weights, made at the first call."""
        if self._nets is None:
            self._nets = self._build()
        return self._nets

    def _given(self, labels, n_images):
        """Return the codes of given labels."""
        found = {}
        for name, values in (labels or {}).items():
            if name in self.attributes_:
                found[name] = class_numbers(values, self.attributes_[name], name, n_images)
        return found


def _generator(seed):
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise InputError(f"seed must be integers >= 0, got {seed!r}.") from error


def with_strength(perturber: Perturber, strength: float) -> Perturber:
    """Return a perturber that changes pictures more or less; the given one stays as it is.

    Parameters
    ----------
    perturber : Perturber
        Fitted.
    strength : float > 0
        PrivacyNet's ``strength``, the ``amount`` of the soft, controllable or face mixing one.

    Raises
    ------
    InputError
        If the perturber has no such parameter, or for a value that it does not take.
    """
    kind, name = type(perturber), perturber.scaled_by
    if name is None:
        raise InputError(f"{kind.__name__} has no strength that can be set; leave strength out.")
    rule = declared_constraints(kind)[name]
    if not rule.accepts(strength):
        raise InputError(
            f"strength must be {rule.describe()} for {kind.__name__}, got {strength!r}."
        )
    return copy.copy(perturber).set_params(**{name: strength})
