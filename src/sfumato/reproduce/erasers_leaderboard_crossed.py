"""Every registered eraser on gender crossed with ethnicity: six classes at once."""

from typing import Any

import numpy as np

from sfumato.data.pairs import join_pairs, read_pairs
from sfumato.data.splits import split_identities
from sfumato.reproduce._result import Findings
from sfumato.reproduce.demographics import GROUPS, sample_rows
from sfumato.reproduce.erasers_leaderboard import (
    ACROSS,
    MAX_TRAIN,
    MIN_AGE,
    SHORT,
    measure_all,
    view2,
)
from sfumato.reproduce.experiment import Experiment
from sfumato.reproduce.templates import Faces

IN_DOMAIN = "UTKFace"


def run(context: Any) -> Findings:
    """Fit every eraser on half of UTKFace, attack it on the other half and on LFW."""
    return Findings(*measure_all(context, Crossed.read(context)))


class Crossed:
    """UTKFace and LFW with ``crossed``, gender and DiveFace's group in one label."""

    # UTKFace names nobody.
    matched = (ACROSS,)
    # Learns from triplets, which need several photos of a person.
    left_out = ("sensitivenets",)

    def __init__(self, utkface: Any, lfw: Any, pairs: Any, notes: Any) -> None:
        self.utkface, self.lfw, self.pairs = utkface, lfw, pairs
        self.notes = notes
        self.metric = lfw.metric

    @classmethod
    def read(cls, context: Any) -> Any:
        """Read the tables; the quick preset keeps a sample."""
        templates = context.templates
        utkface = _crossed(templates.faces("utkface", "gender", "race", "age_years"), "race")
        utkface = utkface.take(utkface["age_years"].astype(float) >= MIN_AGE)
        utkface = sample_rows(utkface, context.pick(1_500, len(utkface)), 0)
        lfw = templates.faces("lfw", "identity", "gender", "race_predicted")
        pairs = read_pairs(templates.path("lfw_pairs")).select("view2")
        joined = join_pairs(pairs, lfw["image_id"], lfw["identity"])
        notes = [
            f"Six classes: women and men of {', '.join(sorted(set(GROUPS.values())))} "
            f"appearance. Erasers see half of UTKFace's {len(utkface):,} rows and nobody's "
            "identity; attackers train on 70 % of the other half and are tested on the rest. "
            "UTKFace names nobody: a person may be on several sides.",
            "LFW: gender is verified, the group was predicted by a model and is noisy; attackers "
            "train on 70 % of its people. No eraser saw LFW.",
            "Balanced accuracy, chance 1/6; the strongest attacker is picked on validation "
            "rows. EER and TMR compare all test people with all; EER view 2 is LFW's protocol.",
            f"Attackers train on at most {context.pick(400, MAX_TRAIN):,} rows; more rows "
            "let them read somewhat more.",
        ]
        notes.append(f"{', '.join(cls.left_out)} needs several photos of a person: left out.")
        notes += [
            f"{name} was trained with {chosen}."
            for name, chosen in SHORT.items()
            if name not in cls.left_out
        ]
        return cls(utkface, lfw, joined, notes)

    def fit_rows(self, seed: int) -> tuple[Any, ...]:
        """Return embeddings, the crossed attribute, no people and the ages."""
        faces, _ = self._halves(seed)
        ages = faces["age_years"].astype(float)[:, None].astype(object)
        return faces.X.astype(np.float32), faces["crossed"], None, ages

    def sections(self, seed: int) -> Any:
        """Return to each data set what attackers train on and are tested on."""
        known = _crossed(self.lfw, "race_predicted")
        found = {}
        for section, faces, people in (
            (IN_DOMAIN, self._halves(seed)[1], "image_id"),
            (ACROSS, known, "identity"),
        ):
            held_out, kept = split_identities(faces[people], 0.3, seed=f"test {seed}")
            found[section] = tuple(
                {"X": part.X, "y": part["crossed"], "identity": part[people]}
                for part in (faces.take(kept), faces.take(held_out))
            )
        return found

    def view2(self, transform: Any, metric: Any) -> Any:
        """Return the EER on LFW's view 2."""
        return view2(self.lfw, self.pairs, transform, metric)

    def _halves(self, seed):
        first, second = split_identities(self.utkface["image_id"], 0.5, seed=f"half {seed}")
        return self.utkface.take(first), self.utkface.take(second)


def _crossed(faces, race):
    """Return the rows whose gender and group are known, with both in one label."""
    faces = faces.known("gender", race)
    faces = faces.take(np.isin(faces[race].astype(str), list(GROUPS)))
    groups = [GROUPS[name] for name in faces[race].tolist()]
    crossed = np.char.add(np.char.add(faces["gender"].astype(str), " "), groups)
    return Faces(faces.X, faces.labels | {"crossed": crossed}, faces.metric)


EXPERIMENT = Experiment(
    title="Leaderboard of erasers, gender x ethnicity",
    shows="What every attacker reads of gender crossed with ethnicity after every eraser, in "
    "domain (UTKFace) and across data sets (LFW), with verification and speed.",
    source="this project",
    tables=("utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 40, "full": 4800},
)
