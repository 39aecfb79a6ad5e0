"""A soft change of each face by itself: a smooth warp and smooth light, found by gradients."""

import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import (
    INNER_SHARE,
    NOT_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    StrOptions,
    check_parameters,
)
from sfumato._fitted import COUNT, Value
from sfumato.errors import InputError
from sfumato.outcomes import Progress
from sfumato.perturbers.base import Perturber
from sfumato.perturbers.choice import ATTRIBUTES, Hide, Labels, classes_and_codes
from sfumato.perturbers.images import Images, Pictures
from sfumato.validation import need

#: Pixels a side on which the change is searched.
SIZE = 160
READERS = {"both": ("pixels", "dlib"), "pixels": ("pixels",), "dlib": ("dlib",)}


class SoftPerturber(Perturber):
    """Warp and light a face softly until bundled readers misread it; searched for each picture.

    Over the face's crop lie smooth fields, given by 503 numbers: a shift d, a gain g and an
    offset l of lightness, a contrast k to the blurred face b (9 x 9 each, d twice), and an offset
    c of chroma (7 x 7, twice), bicubic between and bounded by tanh, times a mask m that fades to
    0 around the face and for g and l almost to 0 between nose and mouth, where shade looks like
    a moustache. The picture x becomes, with q = p + m d(p)::

        y(p) = x(q) (1 + m g(p)) + m (l(p) + c(p)) + m k(p) (x(q) - b(q))

    Adam lowers, over random views v (turned, moved, mirrored, reduced, lit, noisy)::

        mean over readers r of  w_r E_v max(0, margin - z_r(v(y)))
        + 120 max(0, |t(y) - t(x)| - distance) + 400 max(0, likeness - SSIM(x, y)) + decay

    with z_r the log-odds of the class to show, that of dlib's templates t with weight 4, and for
    each attribute that is kept what its log-odds fell. The change has no resolution: photos take
    it at their own size.

    Parameters
    ----------
    amount : float > 0, default=1.0
        Times the bounds: shifts of 3.5 % of the crop's side, 12 % of lightness, 1 % of
        chroma, 45 % of contrast.
    margin : float >= 0, default=3.0
        Log-odds of the class to show that the search wants of each reader; 0: undecided.
    distance : float > 0, default=0.42
        Of dlib's templates before and after, at most; dlib's matcher takes two photos less than
        0.54 apart as one person's at an FMR of 1e-3.
    likeness : float in (0, 1), default=0.945
        SSIM of the crop before and after, at least.
    n_steps : int, default=32
        Of Adam.
    readers : {"both", "pixels", "dlib"}, default="both"
        Whom to mislead: the bundled reader of pixels, that of dlib's templates (which alone keeps
        the matcher's template near), or both.
    seed : int, default=0

    Attributes
    ----------
    attributes_ : dict of str to list of str
    size_ : int
        160.

    Notes
    -----
    Our own method; nothing is learnt from pictures, so that ``fit`` takes the classes alone.

    Not promised: bounds on distance and likeness are weighed, not enforced. Readers that took no
    part are misled less often, and attackers trained on such pictures most seldom. An exchange
    of classes can be learnt and turned round: ``transform(..., at_random=True)`` brings every
    picture to a drawn class, also one that shows it already, so that a change tells nothing.
    """

    constraints: ClassVar = {
        **Perturber.constraints,
        "amount": POSITIVE,
        "margin": NOT_NEGATIVE,
        "distance": POSITIVE,
        "likeness": INNER_SHARE,
        "n_steps": POSITIVE_INT,
        "readers": StrOptions(set(READERS)),
    }
    scaled_by = "amount"
    smooth = True
    fitted = {"attributes_": Value(dict), "size_": COUNT}

    def __init__(
        self,
        *,
        amount: float = 1.0,
        margin: float = 3.0,
        distance: float = 0.42,
        likeness: float = 0.945,
        n_steps: int = 32,
        readers: str = "both",
        seed: int = 0,
    ) -> None:
        self.amount = amount
        self.margin = margin
        self.distance = distance
        self.likeness = likeness
        self.n_steps = n_steps
        self.readers = readers
        self.seed = seed

    def fit(self, images: Images, labels: Labels, *, progress: Progress | None = None) -> Self:
        """Take the attributes and their classes from labels.

        Parameters
        ----------
        images : array-like
            Faces as :class:`~sfumato.perturbers.images.Pictures` takes them; only counted.
        labels : dict of str to array-like of str of shape (n_images,)
            Of gender, race and age, those that can be hidden or kept.
        progress : callable, optional
            Not called: nothing is trained.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For bad parameters, images or labels, or an attribute that the readers do not read.
        """
        check_parameters(self)
        attributes, _ = classes_and_codes(labels, len(Pictures(images, SIZE)))
        for name, classes in attributes.items():
            if not set(classes) <= set(ATTRIBUTES.get(name, ())):
                known = "; ".join(f"{n}: {', '.join(c)}" for n, c in ATTRIBUTES.items())
                raise InputError(
                    f"{name}: the readers must read all its classes, got {', '.join(classes)}; "
                    f"they read {known}."
                )
        self.attributes_, self.size_ = attributes, SIZE
        return self

    def fields(
        self,
        images: ArrayLike,
        *,
        hide: Hide,
        keep: Any = (),
        labels: Labels | None = None,
        at_random: bool = False,
        seed: Any = None,
    ) -> NDArray[np.float32]:
        """Return the change of each picture as fields, shape (n_images, 6, 160, 160).

        Parameters
        ----------
        images, hide, keep, labels, at_random, seed
            As for :meth:`~sfumato.perturbers.base.Perturber.transform`.

        Returns
        -------
        ndarray of shape (n_images, 6, 160, 160), float32
            As :func:`sfumato.perturbers.photos.change_region` takes them.
        """
        parts = self._parts(images, hide, keep, labels, at_random, seed)
        return np.concatenate([self._search(*part[1:]).numpy() for part in parts])

    @property
    def opponents(self) -> tuple[str, ...]:  # type: ignore[override]
        """The readers that the search is against."""
        return READERS[self.readers]

    def trial(self) -> Self:
        """Return one of a single step."""
        return copy.copy(self).set_params(n_steps=1)

    def _codes(self, x):
        from sfumato.perturbers._soft_search import read_odds

        found = {}
        for name, classes in self.attributes_.items():
            odds = read_odds(x, READERS[self.readers], name, classes)
            found[name] = sum(odds.values()).argmax(axis=1)
        return found

    def _search(self, small, now, then, hidden):
        """Return each picture's fields, a Tensor of shape (n_images, 6, size, size)."""
        torch = need("torch", "deep")
        from sfumato.perturbers._soft_search import Goal, search_fields

        found, bounds = [], (self.margin, self.distance, self.likeness)
        for n, picture in enumerate(small):
            shown = {name: classes[then[name][n]] for name, classes in self.attributes_.items()}
            show = {name: shown.pop(name) for name in hidden}
            goal = Goal(show, shown, *bounds)
            options = READERS[self.readers], self.amount, self.n_steps, self.seed
            found.append(search_fields(picture[None], goal, *options))
        return torch.stack(found)

    def _shown(self, images, small, now, then, hidden):
        """Return pictures under their fields, at their own size."""
        torch = need("torch", "deep")
        from sfumato.perturbers._soft_fields import apply_fields, resize_fields

        found = []
        for image, fields in zip(images, self._search(small, now, then, hidden), strict=True):
            sized = resize_fields(fields, *image.shape[-2:])
            whole = torch.from_numpy(np.asarray(image, np.float32))[None]
            found.append(apply_fields(whole, sized, "bicubic")[0].numpy())
        return np.stack(found)
