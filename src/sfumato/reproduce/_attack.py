"""Attackers who know a perturber: they protect other people's pictures and learn from them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfumato.audit.picture_attacks import RESTORATIONS, Inversion, detected, retrained
from sfumato.audit.pictures import look
from sfumato.audit.protocol import audit
from sfumato.metrics.verification import eer
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.readers.files import shipped_reader
from sfumato.readers.recipes import Architecture, ReaderRecipe
from sfumato.reproduce._recorded import RECORDED
from sfumato.reproduce.outputs import machines

GENDER = "gender"
CLASSES = ("female", "male")
LITTLE = Architecture("iresnet", {"widths": (4, 8, 8, 16), "n_blocks": (1, 1, 1, 1)})
SMALL = Architecture("resnet18", {"width": 0.5})
# Lower than of a training afresh, so that it keeps what it knows of faces.
TUNING_RATE = 3e-4


@dataclass(frozen=True)
class Attack:
    """What attackers of gender learn from, and what they are tried on.

    Parameters
    ----------
    context : Context
    original, protected : ndarray of shape (n_images, 3, size, size), float32
        The attackers' own pictures.
    labels : dict of str to ndarray
        ``gender`` and ``identity`` of these.
    before, after : ndarray of shape (n_tested, 3, size, size), float32
        Originals and protected pictures of other people.
    truth : dict of str to ndarray
        ``gender`` and ``identity`` of those.
    seed : int
    """

    context: Any
    original: np.ndarray
    protected: np.ndarray
    labels: dict
    before: np.ndarray
    after: np.ndarray
    truth: dict
    seed: int

    @classmethod
    def of(
        cls,
        context: Any,
        protect: Callable[..., Any],
        tried: Any,
        others: tuple[Any, ...],
        seed: int,
    ) -> Any:
        """Return an attack on a perturber.

        Parameters
        ----------
        protect : callable
            Pictures in, protected ones out.
        tried : Tried
        others : tuple
            Images, labels and identity of people neither the perturber nor the test has.
        """
        images, labels, identity = others
        rows = np.random.default_rng(seed).permutation(len(images))[: context.pick(40, 3_000)]
        original = images[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
        own = {GENDER: labels[GENDER][rows].astype(str), "identity": identity[rows]}
        truth = {GENDER: tried.labels[GENDER].astype(str), "identity": tried.identity}
        sides = original, protect(original), own, tried.images, protect(tried.images), truth
        return cls(context, *sides, seed)

    def _recipe(self, learning_rate=1e-3):
        epochs = self.context.pick(1, 12)
        return ReaderRecipe(epochs, 64, learning_rate, precision="auto", seed=self.seed)

    @property
    def _network(self):
        return self.context.pick(LITTLE, SMALL)

    def on_pixels(self) -> Any:
        """Return the EER of a network trained afresh on protected pictures."""
        return self._eer(self._retrained(self._network, self._recipe()))

    def on_pixels_tuned(self) -> Any:
        """Return the EER of sfumato's reader of pixels, trained on with protected pictures."""
        start = shipped_reader("pixels")
        network = start.net.trunk.architecture
        return self._eer(self._retrained(network, self._recipe(TUNING_RATE), start=start))

    def on_templates(self, encoder: Any) -> Any:
        """Return 1 less the strongest attacker's balanced accuracy on an encoder's templates."""
        X, tested = (
            look(images, {}, {"own": encoder}).templates["own"]
            for images in (self.protected, self.after)
        )
        found = audit(
            X,
            self.labels[GENDER],
            identity=self.labels["identity"],
            test={"X": tested, "y": self.truth[GENDER], "identity": self.truth["identity"]},
            metric=encoder.metric,
            attackers=self.context.pick(["logistic regression"], list(RECORDED)),
            n_resamples=20,
            curve=False,
            match=False,
            seed=self.seed,
        )
        return 1 - found.before.headline.balanced_accuracy

    def undone(self) -> Any:
        """Return the EER of a network that learns to undo the change, before the better reader."""
        recipe = PerturberRecipe(
            self.context.pick(2, 1_500), 16, 1e-3, n_rounds=1, precision="auto"
        )
        network = Inversion(width=self.context.pick(4, 16), seed=self.seed)
        return self._restored(network.fit(self.protected, self.original, recipe).restore)

    def filtered(self) -> dict[str, Any]:
        """Return the EER of the better reader after each restoration without training, by name."""
        return {name: self._restored(restore) for name, restore in RESTORATIONS.items()}

    def detector(self) -> Any:
        """Return the EER of a network that tells protected from original."""
        half = len(self.original) // 2
        new = self.before[::2], self.after[1::2]
        learnt = self.original[:half], self.protected[half:]
        return min_side(detected(*learnt, new, self._network, self._recipe()))

    def _retrained(self, network, recipe, start=None):
        y = self.labels[GENDER]
        return retrained(self.protected, y, self.after, network, recipe, start=start)

    def _restored(self, restore):
        seen = look(restore(self.after), *machines())
        return min(self._eer(s) for (_, what), s in seen.scores.items() if what == GENDER)

    def _eer(self, scores):
        male = self.truth[GENDER] == CLASSES[1]
        return min_side(eer(scores[male], scores[~male]).value)


def min_side(value: Any) -> Any:
    """Return an EER of an attacker, who may turn the answers round."""
    return min(value, 1 - value)
