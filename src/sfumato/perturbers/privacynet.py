"""PrivacyNet: one network that hides gender, race and age as the user chooses [1]_.

Generator G, discriminator with the heads D_src and D_attr, a frozen matcher R. With X a picture
with labels V_0 and V_t the labels to show,

    L_D = L_src + lambda_D,attr L_attr(V_0 | X)                                       (Eq. 1)
    L_G = L_src + lambda_G,attr L_attr(V_t | G(X, V_t))
          + lambda_m |R(X) - R(G(X, V_t))|^2
          + lambda_rec |X - G(G(X, V_t), V_0)|_1                                      (Eq. 2)

:mod:`sfumato.perturbers._privacynet_game` has the updates.
"""

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import ClassVar, Self

from sfumato._constraints import (
    NOT_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    Boolean,
    Interval,
    check_parameters,
)
from sfumato._fitted import COUNT, Arrays, Value
from sfumato.outcomes import Progress
from sfumato.perturbers.base import LABELLER, Perturber
from sfumato.perturbers.choice import Labels, classes_and_codes
from sfumato.perturbers.images import Images, Pictures
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.validation import need


class PrivacyNetPerturber(Perturber):
    """Train and run PrivacyNet [1]_.

    Parameters
    ----------
    size : int, default=128
        Pixels a side of the pictures the networks see; divisible by 32. The paper's 224 is
        possible; its 32 x 32 in the middle are those of 128.
    width : int, default=64
        Of the networks; see :class:`sfumato.nets.privacynet.Generator`.
    residual : bool, default=False
        The generator adds to the picture. Not in the paper; a short training needs it.
    attribute_weight : float > 0, default=4.0
        Lambda_G,attr (Sect. 4); that of D is 1.
    matching_weight : float >= 0, default=4.0
        Lambda_m (Sect. 4), for templates of unit length.
    reconstruction_weight : float >= 0, default=4.0
        Lambda_rec (Sect. 4).
    n_critic : int, default=5
        Updates of D to one of G; StarGAN's, from which the paper adapted its networks.
    labeller : {"own", "reader"}, default="own"
        What reads the classes off a picture of :meth:`transform` that comes without labels: a
        small network that is trained beside, or the reader of pixels that comes with sfumato,
        which reads more exactly, for what it knows.
    strength : float > 0, default=1.0
        Factor on the change of a picture, not in the paper: above 1 more is hidden, below 1 more
        is kept. Needs no other training.
    seed : int, default=0

    Attributes
    ----------
    attributes_ : dict of str to list of str
        Attributes and their classes.
    size_ : int
    generator_ : dict of str to ndarray
        Weights, averaged exponentially over the training.
    labeller_ : dict of str to ndarray
        A small network that reads the attributes, for pictures without labels.

    Notes
    -----
    What the paper shows is that classifiers which never saw such pictures misread them. A
    classifier trained on them is another matter, and a matcher that is kept as it is keeps what
    its templates tell of gender: audit the pictures and their templates.

    Choices where the paper is silent or contradicts itself: the losses of D_src are those of a
    Wasserstein GAN with a gradient penalty of weight 10 (Sect. 3.3; Eq. 3 and 4 are those of
    another GAN); each attribute of V_t is another one than that of V_0 with probability 1/2, so
    that all ways to hide are trained alike; a picture is drawn with probability proportional
    to the inverse root of how frequent its combination of labels is; Adam with 0.5 and 0.999.

    References
    ----------
    .. [1] Mirjalili, Raschka, Ross, "PrivacyNet: semi-adversarial networks for multi-attribute
       face privacy", IEEE Transactions on Image Processing 2020.
    """

    constraints: ClassVar = {
        "size": Interval(Integral, 32, math.inf, closed="left"),
        "width": POSITIVE_INT,
        "residual": Boolean(),
        "attribute_weight": POSITIVE,
        "matching_weight": NOT_NEGATIVE,
        "reconstruction_weight": NOT_NEGATIVE,
        "n_critic": POSITIVE_INT,
        "labeller": LABELLER,
        "strength": POSITIVE,
    }
    fit_options = frozenset({"matcher", "wanted", "adversaries", "recipe", "folder", "progress"})
    scaled_by = "strength"

    fitted = {
        "attributes_": Value(dict),
        "size_": COUNT,
        "history_": Value(list),
        "generator_": Arrays(),
        "labeller_": Arrays(),
    }

    def __init__(
        self,
        *,
        size: int = 128,
        width: int = 64,
        residual: bool = False,
        attribute_weight: float = 4.0,
        matching_weight: float = 4.0,
        reconstruction_weight: float = 4.0,
        n_critic: int = 5,
        labeller: str = "own",
        strength: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.size = size
        self.width = width
        self.residual = residual
        self.attribute_weight = attribute_weight
        self.matching_weight = matching_weight
        self.reconstruction_weight = reconstruction_weight
        self.n_critic = n_critic
        self.labeller = labeller
        self.strength = strength
        self.seed = seed

    def fit(
        self,
        images: Images,
        labels: Labels,
        *,
        matcher: Callable | None = None,
        wanted: Callable | None = None,
        adversaries: Sequence = (),
        recipe: PerturberRecipe | None = None,
        folder: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train the generator; needs the extra ``deep``.

        Parameters
        ----------
        images : array-like
            As :class:`sfumato.perturbers.images.Pictures` takes them.
        labels : dict of str to array-like of str of shape (n_images,)
            The classes are those that occur: of :data:`sfumato.perturbers.choice.ATTRIBUTES` in
            their order there, of others in alphabetical order.
        matcher : Module, optional
            Templates of unit length from pictures (n_images, 3, size, size) in [0, 1], such as
            :class:`sfumato.nets.matcher.CropMatcher`; default: none, as in the paper's
            baseline.
        wanted : callable, optional
            ``wanted(templates)`` gives the target templates of changed pictures, from
            those of the originals, both of unit length (float32 ndarray); default: the same
            (Eq. 7). An eraser's ``transform`` makes the pictures' templates tell less.
        adversaries : sequence of Module, optional
            Networks that read the attributes, such as
            :func:`sfumato.perturbers.adversaries.train_adversaries` gives: the generator fools
            them as they are, and copies that go on learning from what it makes; all see
            altered pictures. Default: none, as in the paper, where it fools D alone.
        recipe : PerturberRecipe, optional
            Default: the paper's 200,000 batches of 16.
        folder : str or Path, optional
            For checkpoints, the log and curves: a run that was cut off goes on.
        progress : callable, optional
            Called as ``progress(n_done, n_total, what)``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For bad pictures or labels, or if the training diverges; the last good checkpoint
            stays in the folder.
        """
        need("torch", "deep")
        check_parameters(self)
        from sfumato.perturbers._privacynet_training import Others, train

        pictures = Pictures(images, self.size)
        attributes, codes = classes_and_codes(labels, len(pictures))
        recipe = recipe or PerturberRecipe(200_000)
        self.generator_, self.labeller_, self.history_ = train(
            self,
            pictures,
            codes,
            attributes,
            Others(matcher, wanted, list(adversaries)),
            recipe,
            folder,
            progress,
        )
        self.attributes_, self.size_ = attributes, self.size
        self._nets = None
        return self

    def _codes(self, x):
        _, labeller, layout = self._networks()
        from sfumato.nets.privacynet import read_labels

        _, logits = labeller(2 * x - 1)
        return {name: codes.numpy() for name, codes in read_labels(logits, layout).items()}

    def _perturb(self, x, now, then, hidden):
        torch = need("torch", "deep")
        from sfumato.nets.privacynet import label_planes

        generator, _, layout = self._networks()
        codes = {name: torch.as_tensor(then[name]) for name in layout}
        with torch.no_grad():
            made = (generator(2 * x - 1, label_planes(codes, layout)) + 1) / 2
        return x + self.strength * (made - x)

    def _build(self):
        """Return generator, labeller, and the places of the classes among the labels."""
        from sfumato.perturbers._privacynet_networks import rebuild

        return rebuild(self)
