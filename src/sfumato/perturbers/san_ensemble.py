"""An ensemble of semi-adversarial networks: one of several outputs, or their mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import POSITIVE, POSITIVE_INT, StrOptions, check_parameters
from sfumato._fitted import COUNT, Array, Arrays, Value
from sfumato.data.keyed_noise import row_keys, uniform
from sfumato.data.labels import class_codes
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
from sfumato.perturbers.choice import Labels, known_labels
from sfumato.perturbers.images import Images
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.perturbers.san import SanPerturber
from sfumato.validation import check_choice


class SanEnsemble(Perturber):
    """Hide gender by one of several SANs that were trained against diverse classifiers [1]_.

    A classifier that was not in training is more likely confounded by one of several diverse
    SANs than by a single one. They differ by their auxiliary classifiers, each of which has a
    random subset of the pictures duplicated.

    Parameters
    ----------
    size : int, default=224
        Pixels a side, divisible by 4.
    n_sans : int, default=5
    selection : {"random", "average", "gibbs"}, default="random"
        "random": the output of one SAN, drawn for each picture. "average": the mean of all.
        "gibbs": drawn in proportion to ``exp(confidence / temperature)``, where an output's
        confidence in [0, 1] is the probability, averaged over all auxiliary classifiers, that
        they give to the class to be shown (of the neutral one, 1 less the difference of the two
        classes' probabilities). May be changed after ``fit``.
    temperature : float, default=0.1
        Of "gibbs"; above 0.
    share : float in (0, 1), default=0.25
        Of the pictures, in the duplicated subset.
    n_copies : int, default=4
        How often a classifier has each picture of its subset.
    san : dict, optional
        Other parameters of each :class:`~sfumato.perturbers.san.SanPerturber`.
    seed : int, default=0

    Attributes
    ----------
    attributes_ : dict
        ``{"gender": [...]}``.
    size_ : int
    groups_ : list of str
        Crossed classes of the other labels, such as ``"old x white"``; one, ``"all"``, without.
    prototypes_ : ndarray of shape (n_groups, 3, 3, size, size)
        Of each group as of a SanPerturber: eight mean pictures of two ages, two races and two
        genders, and four neutral ones.
    nets_, classifiers_ : dict of str to ndarray
        Weights, named ``number/layer``.
    group_reader_ : dict of str to ndarray
        Weights of the classifier that tells a picture's group in ``transform``; empty for one
        group.

    Notes
    -----
    Not promised: see :class:`~sfumato.perturbers.san.SanPerturber`. A draw depends on the seed
    and the picture alone, so the same picture always comes out the same.

    Choices where the paper is silent or was not at hand: the numbers of SANs and of copies and
    the share; "gibbs" is our reading of a selection that is only named; ages "middle" and "old"
    both count as old; labels of more than two races give more prototypes. More pictures of
    people with dark skin, which the authors took too, are had by repeating their rows.

    References
    ----------
    .. [1] Mirjalili, Raschka, Ross, "Gender privacy: an ensemble of semi adversarial networks
       for confounding arbitrary gender classifiers", BTAS 2018, Figs. 4 and 5.
    """

    constraints: ClassVar = SEVERAL | {
        "n_sans": POSITIVE_INT,
        "selection": StrOptions({"random", "average", "gibbs"}),
        "temperature": POSITIVE,
    }
    fit_options = frozenset({"matcher", "recipe", "folder", "progress"})
    also_shown = ALSO_SHOWN

    fitted = {
        "attributes_": Value(dict),
        "size_": COUNT,
        "groups_": Value(list),
        "prototypes_": Array("g", 3, 3, "s", "s"),
        "nets_": Arrays(),
        "classifiers_": Arrays(),
        "group_reader_": Arrays(),
    }

    def __init__(
        self,
        *,
        size: int = 224,
        n_sans: int = 5,
        selection: str = "random",
        temperature: float = 0.1,
        share: float = 0.25,
        n_copies: int = 4,
        san: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.size = size
        self.n_sans = n_sans
        self.selection = selection
        self.temperature = temperature
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
        """Learn from faces with their gender and, if known, age and race.

        Parameters
        ----------
        images, matcher, progress
            As for :meth:`sfumato.perturbers.san.SanPerturber.fit`.
        labels : dict of str to array-like of shape (n_images,)
            ``gender`` and, for prototypes by group, both ``age`` ("young", "middle", "old") and
            ``race``; without these two, two prototypes.
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
        from sfumato.perturbers._san_training import fit_pair
        from sfumato.perturbers.san_output import arrays_of

        sans = each_san(SanPerturber, self.size, self.san, self.seed, self.n_sans)
        names, groups = _groups(labels, codes, classes)
        recipe = recipe or released_recipe(len(codes))
        faces = SanFaces.of(pictures, codes, groups)
        nets: dict = {}
        classifiers: dict = {}
        for k, san in enumerate(sans):
            rows = oversampled(len(codes), self.share, self.n_copies, seed_of(self.seed, k))
            net, classifier = fit_pair(
                san, faces, matcher, recipe, rows=rows,
                folder=None if folder is None else Path(folder) / str(k + 1),
                progress=telling(progress, f"SAN {k + 1} of {self.n_sans}"),
            )  # fmt: skip
            nets |= arrays_of(net, f"{k}/")
            classifiers |= arrays_of(classifier, f"{k}/")
        reader: dict = {}
        if len(names) > 1:
            reader = self._fit_groups(faces, sans[0], recipe, folder, progress)
        self.attributes_, self.size_ = {"gender": classes}, self.size
        self.groups_, self.prototypes_ = names, faces.prototypes
        self.nets_, self.classifiers_, self.group_reader_ = nets, classifiers, reader
        self._nets = None
        return self

    def _fit_groups(self, faces, san, recipe, folder, progress):
        """Return the weights of a classifier that tells a picture's group."""
        from sfumato.perturbers._san_training import fit_auxiliary
        from sfumato.perturbers.san_output import arrays_of

        return arrays_of(fit_auxiliary(
            faces.pictures, faces.groups, recipe, widths=san.classifier_widths,
            seed=self.seed, name="groups", folder=folder, progress=progress,
        ))  # fmt: skip

    def _codes(self, x):
        from sfumato.perturbers.san_output import class_probabilities

        return {"gender": class_probabilities(self._networks()[1], x).argmax(axis=1)}

    def _perturb(self, x, now, then, hidden):
        from sfumato.perturbers.san_output import as_tensors, class_probabilities, picked, shown

        nets, classifiers, reader = self._networks()
        now, then = now["gender"], then["gender"]
        groups = 0 * now
        if reader is not None:
            groups = class_probabilities([reader], x).argmax(axis=1)
        tensors = as_tensors(self.prototypes_, groups, now, then)
        outputs = [shown(net, x, *tensors) for net in nets]
        if self.selection == "average":
            return sum(outputs) / len(outputs)
        weights = np.ones((len(x), len(nets)))
        if self.selection == "gibbs":
            seen = [class_probabilities(classifiers, output) for output in outputs]
            weights = gibbs(
                np.stack([confidence(p, then) for p in seen], axis=1), self.temperature
            )
        keys = row_keys(x.reshape(len(x), -1).numpy(), self.seed)
        chosen = drawn(weights, uniform(keys, 1)[:, 0])
        return picked(outputs, chosen)

    def _build(self):
        """Return autoencoders, their classifiers, and the groups' reader or None."""
        from sfumato.nets.san import auxiliary_net
        from sfumato.perturbers.san_output import pairs, state_of

        both = pairs(self, SanPerturber(**(self.san or {})).widths)
        reader = None
        if self.group_reader_:
            reader = auxiliary_net(state_of(self.group_reader_), self.size_)
        return [net for net, _ in both], [c for _, c in both], reader


def confidence(probabilities: NDArray[Any], then: NDArray[Any]) -> NDArray[Any]:
    """Return how sure classifiers are of the class to be shown, in [0, 1].

    Parameters
    ----------
    probabilities : ndarray of shape (n_images, 2)
    then : ndarray of int of shape (n_images,)
        0, 1 or 2: neutral, of which sure means undecided.

    Returns
    -------
    ndarray of shape (n_images,)
    """
    undecided = 1 - np.abs(probabilities[:, 0] - probabilities[:, 1])
    each = np.column_stack([probabilities, undecided])
    return each[np.arange(len(then)), then]


def gibbs(confidences: NDArray[Any], temperature: float) -> Any:
    """Return ``exp(confidence / temperature)``, each row divided by its largest.

    Parameters
    ----------
    confidences : ndarray of shape (n_images, n_sans)
    temperature : float
        Above 0.
    """
    return np.exp((confidences - confidences.max(axis=1, keepdims=True)) / temperature)


def drawn(weights: NDArray[Any], u: NDArray[Any]) -> NDArray[Any]:
    """Return for each row the number of a column, drawn in proportion to the weights.

    Parameters
    ----------
    weights : ndarray of shape (n_rows, n_columns)
        At least 0, not all 0.
    u : ndarray of shape (n_rows,)
        Uniform in (0, 1).

    Returns
    -------
    ndarray of int of shape (n_rows,)
    """
    ends = weights.cumsum(axis=1)
    return (ends[:, :-1] < (u * ends[:, -1])[:, None]).sum(axis=1)


def _groups(labels, codes, classes):
    """Return the groups' names and each picture's group; no cell may be empty."""
    if "age" not in labels or "race" not in labels:
        return ["all"], np.zeros_like(codes)
    age, race = (known_labels(labels[name], name, len(codes)) for name in ("age", "race"))
    for value in np.unique(age):
        check_choice(str(value), ("young", "middle", "old"), "age")
    age = np.where(age == "young", "young", "old")
    names, groups = class_codes(np.column_stack([age, race]), "age and race")
    for number, name in enumerate(names):
        for code, gender in enumerate(classes):
            if not np.any((groups == number) & (codes == code)):
                raise InputError(f"no picture of {name} x {gender}; a prototype needs some.")
    return names, groups
