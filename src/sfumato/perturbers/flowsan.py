"""FlowSAN: semi-adversarial networks one after another, each hiding what the last one left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from sfumato._constraints import POSITIVE_INT, Optional, check_parameters
from sfumato._fitted import COUNT, Array, Arrays, Value
from sfumato.errors import InputError
from sfumato.outcomes import Progress
from sfumato.perturbers._san_data import (
    ALSO_SHOWN,
    SEVERAL,
    SanFaces,
    checked,
    each_san,
    oversampled,
    released_recipe,
    seed_of,
    telling,
)
from sfumato.perturbers.base import Perturber
from sfumato.perturbers.choice import Labels
from sfumato.perturbers.images import Images
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.perturbers.san import SanPerturber


class FlowSan(Perturber):
    """Hide gender by several SANs in sequence; their number is the strength [1]_ [2]_.

    Each SAN takes what its predecessors give and is trained against a newly trained auxiliary
    classifier while they are frozen, so that the sequence confounds classifiers that no single
    SAN was trained on.

    Parameters
    ----------
    size : int, default=224
        Pixels a side, divisible by 4.
    n_steps : int, default=3
        How many SANs to train.
    length : int, optional
        How many of them to apply; default: all. May be changed after ``fit`` by
        ``set_params(length=1)``.
    share : float in (0, 1), default=0.25
        Of the pictures; a random subset is seen more often by each SAN's auxiliary classifier.
    n_copies : int, default=4
        How often the classifier has each picture of its subset.
    san : dict, optional
        Other parameters of each :class:`~sfumato.perturbers.san.SanPerturber`.
    seed : int, default=0

    Attributes
    ----------
    attributes_ : dict
        ``{"gender": [...]}``.
    size_ : int
    prototypes_ : ndarray of shape (1, 3, 3, size, size)
        As of a SanPerturber, of the pictures before any SAN; all use them.
    nets_, classifiers_ : dict of str to ndarray
        Weights, named ``number/layer``.

    Notes
    -----
    Not promised: see :class:`~sfumato.perturbers.san.SanPerturber`. Each SAN blurs and moves the
    picture further; the matcher's term compares with the picture before all, so that the person
    does not drift away, but more steps cost more recognition.

    Choices where the papers are silent, partly from memory: each auxiliary classifier is trained
    on the pictures before any SAN, with another start and another subset oversampled. One that
    were trained on the predecessor's flipped output with the true labels would read them the
    wrong way round, and the next SAN would turn them back. In training a picture comes to a SAN
    along its predecessors' opposite outputs or along their same-class ones, by a coin, since
    ``transform`` takes either way. The pixel term is against the SAN's own input.

    References
    ----------
    .. [1] Mirjalili, Raschka, Ross, "FlowSAN: privacy-enhancing semi-adversarial networks to
       confound arbitrary face-based gender classifiers", IEEE Access 2019.
    .. [2] Raschka, "Convolutional neural networks for predicting and hiding personal traits from
       face images", slides, 2019, Part II.
    """

    constraints: ClassVar = SEVERAL | {"n_steps": POSITIVE_INT, "length": Optional(POSITIVE_INT)}
    fit_options = frozenset({"matcher", "recipe", "folder", "progress"})
    also_shown = ALSO_SHOWN

    fitted = {
        "attributes_": Value(dict),
        "size_": COUNT,
        "prototypes_": Array(1, 3, 3, "s", "s"),
        "nets_": Arrays(),
        "classifiers_": Arrays(),
    }

    def __init__(
        self,
        *,
        size: int = 224,
        n_steps: int = 3,
        length: int | None = None,
        share: float = 0.25,
        n_copies: int = 4,
        san: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.size = size
        self.n_steps = n_steps
        self.length = length
        self.share = share
        self.n_copies = n_copies
        self.san = san
        self.seed = seed

    def fit(
        self,
        images: Images,
        labels: Labels,
        *,
        matcher: Callable | None = None,
        recipe: PerturberRecipe | None = None,
        folder: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from faces with their gender.

        Parameters
        ----------
        images, labels, matcher, progress
            As for :meth:`sfumato.perturbers.san.SanPerturber.fit`.
        recipe : PerturberRecipe, optional
            Of each SAN; default: the released code's.
        folder : str or Path, optional
            Holds a folder ``1``, ``2``, ... of each SAN.

        Returns
        -------
        self
        """
        check_parameters(self)
        pictures, codes, classes = checked(images, labels, self.size)
        from sfumato.perturbers._san_training import fit_pair, follow
        from sfumato.perturbers.san_output import arrays_of

        sans = each_san(SanPerturber, self.size, self.san, self.seed, self.n_steps)
        recipe = recipe or released_recipe(len(codes))
        faces = SanFaces.of(pictures, codes, np.zeros_like(codes))
        nets: list = []
        weights: dict = {}
        classifiers: dict = {}
        for k, san in enumerate(sans):
            rows = oversampled(len(codes), self.share, self.n_copies, seed_of(self.seed, k))
            net, classifier = fit_pair(
                san, faces, matcher, recipe, rows=rows, before=follow(nets),
                folder=None if folder is None else Path(folder) / str(k + 1),
                progress=telling(progress, f"SAN {k + 1} of {self.n_steps}"),
            )  # fmt: skip
            nets = [*nets, net]
            weights |= arrays_of(net, f"{k}/")
            classifiers |= arrays_of(classifier, f"{k}/")
        self.attributes_, self.size_ = {"gender": classes}, self.size
        self.prototypes_ = faces.prototypes
        self.nets_, self.classifiers_ = weights, classifiers
        self._nets = None
        return self

    def _codes(self, x):
        from sfumato.perturbers.san_output import class_probabilities

        classifiers = [classifier for _, classifier in self._networks()]
        return {"gender": class_probabilities(classifiers, x).argmax(axis=1)}

    def _perturb(self, x, now, then, hidden):
        from sfumato.perturbers.san_output import as_tensors, shown

        now, then = now["gender"], then["gender"]
        for net, _ in self._networks()[: self._n_applied()]:
            x = shown(net, x, *as_tensors(self.prototypes_, 0 * now, now, then))
        return x

    def _n_applied(self):
        length = self.n_steps if self.length is None else self.length
        if not 1 <= length <= self.n_steps:
            raise InputError(f"length must be in 1 to {self.n_steps} (n_steps), got {length}.")
        return length

    def _build(self):
        """Return autoencoder and classifier of each SAN."""
        from sfumato.perturbers.san_output import pairs

        return pairs(self, SanPerturber(**(self.san or {})).widths)
