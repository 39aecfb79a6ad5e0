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
# The papers' six classes: neutral and five of Ekman's, without fear (thesis, Sect. 3.2).
FIXED = "neutral"  # The class D that all faces should resemble (Sect. III-B).
# CK+ as at hand has no neutral faces: what is read off both data sets are the other five.
SHARED = ("anger", "disgust", "happiness", "sadness", "surprise")
CLASSES = (FIXED, *SHARED)
FIVE = (
    "JAFFE and CK+ stand in for CFEE. The papers' six classes are neutral, anger, disgust, "
    "happiness, sadness and surprise; CK+ at hand has no neutral faces, so that probes read the "
    "other five (chance 0.2), of CK+ people that nothing was trained on. SensitiveNets' detector "
    "learns all six from JAFFE alone, where each person shows each: with CK+ in it, neutral "
    "would be JAFFE. LNTL learns the five from JAFFE and the other half of CK+'s people."
)
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
        "image_id": np.concatenate([part["image_id"].astype(str) for part in parts]),
        "identity": np.concatenate(who),
        "source": np.concatenate(sources),
        "expression": np.concatenate([part["expression"] for part in parts]).astype(str),
    }
    faces = Faces(np.concatenate([part.X for part in parts]), labels, "cosine")
    return unit_faces(faces)


def shown_by_both(rows: Any) -> Any:
    """Return the rows of the five expressions that both data sets show."""
    return rows.take(np.isin(rows["expression"], SHARED))


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

        The erasers see JAFFE and half of CK+'s people, in the papers' six classes; the probes
        CK+'s other people, in the five that both show.
        """
        rng = np.random.default_rng(seed)
        identity, ours = self.faces["identity"], self.faces["source"] == TABLES[1]
        people = rng.permutation(np.unique(identity[ours]))
        held_out = np.isin(identity, people[(len(people) + 1) // 2 :])
        classes = np.isin(self.faces["expression"], CLASSES)
        return self.faces.take(classes & ~held_out), shown_by_both(self.faces.take(held_out))

    def fit_sensitivenets(self, rows: Any, seed: int) -> Any:
        """Fit SensitiveNets on JAFFE's rows, with CelebA's people for the triplets (Eq. 3, 4)."""
        rows = rows.take(rows["source"] == TABLES[0])
        small = {"n_units": 256, "n_triplets": 6_000, "n_epochs": 4, "detector_epochs": 60}
        eraser = SensitiveNetsEraser(fixed_class=FIXED, seed=seed, **self._context.pick(small, {}))
        return eraser.fit(
            rows.X,
            rows["expression"],
            primary=Primary(self.celeba.X, self.celeba["identity"]),
            progress=lambda done, total, what: self._context.say(f"SensitiveNets: {what}"),
        )

    def fit_lntl(self, rows: Any, seed: int, *, keep: str = "identity") -> Any:
        """Fit Learning not to Learn; the label ``keep`` is the task (Eq. 5)."""
        rows = shown_by_both(rows)
        task = {"identity" if keep == "identity" else "primary": rows[keep]}
        # 100 epochs as in the authors' code: the rows are few.
        eraser = LearningNotToLearnEraser(n_epochs=self._context.pick(20, 100), seed=seed)
        return eraser.fit(
            rows.X,
            rows["expression"],
            **task,
            progress=lambda done, total, what: self._context.say(f"LNTL: {what}"),
        )
