"""Rows for the experiments on emotional expressions, and the two erasers fitted on them.

CFEE, on which the paper worked, is given out on request only. JAFFE and CK+ stand in for it;
CelebA's training people, as in :mod:`sfumato.reproduce.demographics`, for DiveFace.
"""

from functools import cached_property
from typing import Any

import numpy as np

from sfumato.erasers.base import Primary
from sfumato.erasers.lntl import LearningNotToLearnEraser
from sfumato.erasers.sensitivenets import SensitiveNetsEraser
from sfumato.reproduce.demographics import sample_people, unit_faces
from sfumato.reproduce.templates import Faces

TABLES = ("jaffe", "ckplus48")
# Both data sets show these six; only JAFFE has neutral faces, only CK+ contempt.
SHARED = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
# The class D that all faces shall resemble (Sect. III-B).
FIXED = "neutral"
X_NAME, SN, LNTL = "x", "SensitiveNets", "LNTL"


def read_expressions(context: Any) -> Any:
    """Return all faces of both tables, with ``identity``, ``source`` and ``expression``."""
    parts = [context.templates.faces(name, "identity", "expression") for name in TABLES]
    sources = [np.full(len(part), name) for name, part in zip(TABLES, parts, strict=True)]
    who = [
        np.char.add(f"{name} ", part["identity"].astype(str))
        for name, part in zip(TABLES, parts, strict=True)
    ]
    labels = {
        "identity": np.concatenate(who),
        "source": np.concatenate(sources),
        "expression": np.concatenate([part["expression"] for part in parts]).astype(str),
    }
    faces = Faces(np.concatenate([part.X for part in parts]), labels, "cosine")
    return unit_faces(faces)


class Expressions:
    """JAFFE and CK+, read once, and CelebA's training people, read when asked for.

    Parameters
    ----------
    context : Context

    Attributes
    ----------
    faces : Faces
        See :func:`read_expressions`.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self.faces = read_expressions(context)

    @cached_property
    def celeba(self) -> Any:
        """CelebA's training people with ``identity``; the quick preset keeps a sample."""
        celeba = self._context.templates.faces("celeba", "identity", "partition")
        celeba = unit_faces(celeba.take(celeba["partition"].astype(str) == "train"))
        return sample_people(celeba, self._context.pick(1_500, len(celeba)), 0)

    def halves(self, seed: int) -> tuple[Any, ...]:
        """Return rows for the erasers and, of other people, for the probes.

        Either has half of each data set's people. The erasers also see neutral faces, the
        probes the six shared expressions alone.
        """
        rng = np.random.default_rng(seed)
        chosen: list[str] = []
        for name in TABLES:
            people = np.unique(self.faces["identity"][self.faces["source"] == name])
            chosen += rng.permutation(people)[: (len(people) + 1) // 2].tolist()
        first = np.isin(self.faces["identity"], chosen)
        expression = self.faces["expression"]
        return (
            self.faces.take(first & np.isin(expression, [*SHARED, FIXED])),
            self.faces.take(~first & np.isin(expression, SHARED)),
        )

    def fit_sensitivenets(self, rows: Any, seed: int) -> Any:
        """Fit SensitiveNets on expressions, with CelebA's people for the triplets (Eq. 3, 4)."""
        small = {"n_units": 256, "n_triplets": 6_000, "n_epochs": 4, "detector_epochs": 60}
        eraser = SensitiveNetsEraser(fixed_class=FIXED, seed=seed, **self._context.pick(small, {}))
        return eraser.fit(
            rows.X,
            rows["expression"],
            primary=Primary(self.celeba.X, self.celeba["identity"]),
            progress=lambda done, total, what: self._context.say(f"SensitiveNets: {what}"),
        )

    def fit_lntl(self, rows: Any, seed: int) -> Any:
        """Fit Learning not to Learn on the same rows, their people being the task (Eq. 5)."""
        # 100 epochs as in the authors' code: the rows are few.
        eraser = LearningNotToLearnEraser(n_epochs=self._context.pick(20, 100), seed=seed)
        return eraser.fit(
            rows.X,
            rows["expression"],
            identity=rows["identity"],
            progress=lambda done, total, what: self._context.say(f"LNTL: {what}"),
        )
