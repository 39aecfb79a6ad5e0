"""Semi-adversarial networks: an autoencoder that hides gender and keeps the face matchable."""

from collections.abc import Callable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from sfumato._constraints import NOT_NEGATIVE, POSITIVE_INT, Each, Interval, check_parameters
from sfumato._fitted import COUNT, Array, Arrays, Value
from sfumato.outcomes import Progress
from sfumato.perturbers._san_data import ALSO_SHOWN, SIZE, SanFaces, checked, released_recipe
from sfumato.perturbers.base import Perturber
from sfumato.perturbers.choice import Labels
from sfumato.perturbers.images import Images
from sfumato.perturbers.recipes import PerturberRecipe


class SanPerturber(Perturber):
    """Hide gender by a convolutional autoencoder that prototypes steer [1]_ [2]_.

    The autoencoder takes a grey picture and the prototype (mean picture) of its class and gives
    a picture with any prototype added in its last layer. Training keeps the gender that is read
    with the prototype of its own class, inverts it with the opposite one, and keeps both
    recognisable to a matcher. Classifier and matcher serve in training alone.

    Parameters
    ----------
    size : int, default=224
        Pixels a side, divisible by 4; the paper's is 224, 64 trains on a small machine.
    widths : sequence of 4 ints, default=(8, 12, 256, 128)
        See :class:`~sfumato.nets.san.SanAutoencoder`; the released code's.
    classifier_widths : sequence of ints, default=(32, 64, 128, 256, 256, 512)
        See :class:`~sfumato.nets.san.AuxiliaryNet`; the released code's.
    pixel_weight : float, default=1.0
        Of the mean ``|X - X'_SM|`` in the game; the released code's.
    matching_weight : float, default=8.0
        Of J_M; the released code's.
    pretraining : float, default=0.1
        Batches with J_D alone, before the game, as a share of the recipe's.
    matching_from : float in [0, 1), default=0.25
        J_M joins after this share of the game; the released code's fifth of 20 epochs.
    seed : int, default=0

    Attributes
    ----------
    attributes_ : dict
        ``{"gender": [...]}``, the two classes in the order of the alphabet.
    size_ : int
    prototypes_ : ndarray of shape (1, 3, 3, size, size)
        Mean pictures of the first and the second class, and the neutral one: their mean,
        weighted by the classes' shares.
    net_, classifier_ : dict of str to ndarray
        Weights of the autoencoder, and of the classifier that tells the classes where no labels
        are given.

    Notes
    -----
    ``transform(..., hide="gender")`` shows the opposite prototype, ``hide={"gender": "neutral"}``
    the neutral one, ``hide={"gender": "male"}`` that class; a picture that shows its own class
    anyway is given the same-class prototype. Training never shows the neutral one.

    The method is grey: it works on the luminance, and its change is added to all three channels,
    so hues stay (before values are cut off at 0 and 1). Gender that lies in colour stays too.

    The paper aligns prototypes to every face. Here all faces are cut out by their landmarks, so
    their mean pictures are aligned with each by construction.

    Promised: nothing; trained is that one classifier is turned round and one matcher is not.
    Classifiers that it did not see may still read the gender, one that is trained on its outputs
    most of all: with labels ``hide="gender"`` is a flip, which anybody who knows of it can turn
    back (``at_random=True`` cannot be). Audit. Fine texture is lost: the last layer before the
    combiner repeats pixels.

    It wants a long training or a good ``classifier``: minutes of either turn nothing round.

    Choices where the papers are silent or differ: J_D (slides) before the game, then the
    released code's losses; J_M of the slides is of X'_SM alone and the released one of the mean
    descriptor of both outputs, here it is the mean of J_M of X'_SM and J_M of X'_OP, of
    embeddings scaled to unit length, of the pictures in colour. The neutral prototype's weights
    are from memory. The classifier is trained first, on the same pictures, for as many batches
    as the recipe has, Adam at 1e-3. In training half of the pictures are mirrored.

    References
    ----------
    .. [1] Mirjalili, Raschka, Namboodiri, Ross, "Semi-adversarial networks: convolutional
       autoencoders for imparting privacy to face images", ICB 2018.
    .. [2] Raschka, "Convolutional neural networks for predicting and hiding personal traits from
       face images", slides, 2019, Part II.
    """

    constraints: ClassVar = {
        "size": SIZE,
        "widths": Each(POSITIVE_INT, 4),
        "classifier_widths": Each(POSITIVE_INT),
        "pixel_weight": NOT_NEGATIVE,
        "matching_weight": NOT_NEGATIVE,
        "pretraining": NOT_NEGATIVE,
        "matching_from": Interval(Real, 0, 1, closed="left"),
    }
    fit_options = frozenset({"matcher", "classifier", "recipe", "folder", "progress"})
    also_shown = ALSO_SHOWN

    fitted = {
        "attributes_": Value(dict),
        "size_": COUNT,
        "prototypes_": Array(1, 3, 3, "s", "s"),
        "net_": Arrays(),
        "classifier_": Arrays(),
    }

    def __init__(
        self,
        *,
        size: int = 224,
        widths: Sequence[Any] = (8, 12, 256, 128),
        classifier_widths: Sequence[int] = (32, 64, 128, 256, 256, 512),
        pixel_weight: float = 1.0,
        matching_weight: float = 8.0,
        pretraining: float = 0.1,
        matching_from: float = 0.25,
        seed: int = 0,
    ) -> None:
        self.size = size
        self.widths = widths
        self.classifier_widths = classifier_widths
        self.pixel_weight = pixel_weight
        self.matching_weight = matching_weight
        self.pretraining = pretraining
        self.matching_from = matching_from
        self.seed = seed

    def fit(
        self,
        images: Images,
        labels: Labels,
        *,
        matcher: Callable | None = None,
        classifier: Callable | None = None,
        recipe: PerturberRecipe | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from faces with their gender.

        Parameters
        ----------
        images : array-like
            As for :class:`~sfumato.perturbers.images.Pictures`.
        labels : dict of str to array-like of shape (n_images,)
            With ``gender``, of two classes.
        matcher : torch.nn.Module, optional
            From pictures (n_images, 3, size, size) in [0, 1] to embeddings (n_images,
            n_features). None: without J_M, so nothing but the pixel term keeps the person.
        classifier : torch.nn.Module, optional
            From grey pictures (n_images, 1, size, size) in [0, 1] to logits (n_images, 2), in
            the order of the alphabet; default: an AuxiliaryNet, trained here first. Another
            kind of network is played against, but an AuxiliaryNet is trained too and saved.
        recipe : PerturberRecipe, optional
            Default: the released code's 20 epochs, batches of 8, Adam at 2e-4.
        folder : str or Path, optional
            For checkpoints, logs and curves; an interrupted training goes on there.
        progress : callable, optional
            ``progress(n_done, n_total, what)``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For bad images, labels or size, or a training that diverges.
        """
        check_parameters(self)
        pictures, codes, classes = checked(images, labels, self.size)
        from sfumato.nets.san import AuxiliaryNet
        from sfumato.perturbers._san_training import fit_auxiliary, fit_pair, fit_san
        from sfumato.perturbers.san_output import arrays_of

        recipe = recipe or released_recipe(len(codes))
        faces = SanFaces.of(pictures, codes, np.zeros_like(codes))
        where: dict[str, Any] = {"folder": folder, "progress": progress}
        if classifier is None:
            net, reader = fit_pair(self, faces, matcher, recipe, **where)
        else:
            reader = classifier
            if not isinstance(classifier, AuxiliaryNet):
                reader = fit_auxiliary(
                    pictures, codes, recipe, widths=self.classifier_widths, seed=self.seed, **where
                )
            net = fit_san(self, faces, classifier, matcher, recipe, **where)
        self.attributes_, self.size_ = {"gender": classes}, self.size
        self.prototypes_ = faces.prototypes
        self.net_, self.classifier_ = arrays_of(net), arrays_of(reader)
        self._nets = None
        return self

    def _codes(self, x):
        from sfumato.perturbers.san_output import class_probabilities

        return {"gender": class_probabilities([self._networks()[1]], x).argmax(axis=1)}

    def _perturb(self, x, now, then, hidden):
        from sfumato.perturbers.san_output import as_tensors, shown

        now, then = now["gender"], then["gender"]
        return shown(self._networks()[0], x, *as_tensors(self.prototypes_, 0 * now, now, then))

    def _build(self):
        """Return autoencoder and classifier."""
        from sfumato.perturbers.san_output import networks

        return networks(self.net_, self.classifier_, self.widths, self.size_)
