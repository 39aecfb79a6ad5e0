"""Rows for the experiments on gender and ethnicity, and SensitiveNets fitted on them.

DiveFace, on which the paper trained, can no longer be had with its photos. UTKFace, whose races
go into DiveFace's three groups, stands in for its sensitive half D-S, CelebA's training people
for its primary half D-P.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sfumato.data.rows import unit_rows
from sfumato.data.splits import balanced_rows, split_identities
from sfumato.erasers.base import Primary
from sfumato.erasers.sensitivenets import SensitiveNetsEraser
from sfumato.reproduce.templates import Faces

# DiveFace's three groups (SensitiveNets, Sect. 3); UTKFace's fifth, "other", is left out.
GROUPS = {
    "asian": "east asian",
    "black": "sub-saharan or south indian",
    "indian": "sub-saharan or south indian",
    "white": "caucasian",
}
# The paper alternates D = Male and D = ethnic Group 1 (Sect. 2.2).
FIXED = ["male", "east asian"]
ATTRIBUTES = ("gender", "ethnicity")
VALIDATION = ("val", "valid")
WIDER = (
    "SensitiveNets' layers have as many units as the paper's, 1,024 (quick: 256), but templates "
    "of MobileFaceNet and dlib have 128 features where the paper's have 2,048: it gives up half "
    "of them, this none, so that an attacker may invert the map. sensitivenets-widths has fewer "
    "units than features."
)


def unit_faces(faces: Any) -> Faces:
    """Return the same faces with embeddings of unit length, compared by cosine."""
    return Faces(unit_rows(faces.X), faces.labels, "cosine")


def sample_people(faces: Any, n_people: Any, seed: int) -> Any:
    """Return all rows of ``n_people`` people at random, or of all if there are no more."""
    people = np.unique(faces["identity"])
    chosen = np.random.default_rng(seed).permutation(people)[:n_people]
    return faces.take(np.isin(faces["identity"], chosen))


def sample_rows(faces: Any, n_rows: Any, seed: int) -> Any:
    """Return ``n_rows`` rows at random, or all if there are no more."""
    return faces.take(np.sort(np.random.default_rng(seed).permutation(len(faces))[:n_rows]))


def read_utkface(context: Any) -> Any:
    """Return UTKFace with ``gender`` and ``ethnicity``, one of DiveFace's three groups.

    The quick preset keeps a sample.
    """
    faces = context.templates.faces("utkface", "gender", "race").known("gender", "race")
    faces = faces.take(np.isin(faces["race"].astype(str), list(GROUPS)))
    groups = np.array([GROUPS[race] for race in faces["race"].tolist()])
    faces = unit_faces(Faces(faces.X, faces.labels | {"ethnicity": groups}, "cosine"))
    return sample_rows(faces, context.pick(4_000, len(faces)), 0)


@dataclass(frozen=True)
class Demographics:
    """UTKFace and CelebA, read once.

    Parameters
    ----------
    utkface : Faces
        See :func:`read_utkface`.
    celeba : Faces
        With ``identity``, ``partition`` and ``gender``.
    """

    utkface: Faces
    celeba: Faces

    @classmethod
    def read(cls, context: Any) -> Any:
        """Read both tables; the quick preset keeps a sample."""
        celeba = context.templates.faces("celeba", "identity", "partition", "gender")
        celeba = unit_faces(celeba.known("identity", "partition", "gender"))
        return cls(
            read_utkface(context), sample_people(celeba, context.pick(3_000, len(celeba)), 0)
        )

    def halves(self, seed: int) -> tuple[Any, ...]:
        """Return UTKFace's rows for the eraser (D-S, balanced) and for the probes."""
        first, second = split_identities(self.utkface["image_id"], seed=seed)
        sensitive = self.utkface.take(first)
        both = np.char.add(sensitive["gender"].astype(str), sensitive["ethnicity"])
        return sensitive.take(balanced_rows(both, seed=seed)), self.utkface.take(second)

    def partition(self, *names: Any) -> Any:
        """Return CelebA's rows of an official partition."""
        return self.celeba.take(np.isin(self.celeba["partition"].astype(str), names))

    def fit_sensitivenets(self, context: Any, sensitive: Any, seed: int) -> Any:
        """Fit SensitiveNets on gender and ethnicity, with CelebA's people for the triplets."""
        primary = self.partition("train")
        y = np.column_stack([sensitive[name].astype(str) for name in ATTRIBUTES])
        small = {"n_units": 256, "n_triplets": 6_000, "n_epochs": 3, "detector_epochs": 15}
        eraser = SensitiveNetsEraser(fixed_class=FIXED, seed=seed, **context.pick(small, {}))
        return eraser.fit(
            sensitive.X,
            y,
            primary=Primary(primary.X, primary["identity"]),
            progress=lambda done, total, what: context.say(f"SensitiveNets: {what}"),
        )
