"""SensitiveNets with fewer units than the template has features, and what it then hides."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sfumato.audit.matching import match_all
from sfumato.audit.protocol import audit
from sfumato.data.pairs import join_pairs, read_pairs
from sfumato.data.splits import balanced_rows, split_identities
from sfumato.erasers.base import Primary
from sfumato.erasers.sensitivenets import SensitiveNetsEraser
from sfumato.errors import InputError
from sfumato.reproduce._map_rank import map_rank
from sfumato.reproduce._probes import probe
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.demographics import (
    ATTRIBUTES,
    FIXED,
    VALIDATION,
    Demographics,
    sample_people,
    unit_faces,
)
from sfumato.reproduce.sensitivenets_table1 import TEST_SHARE, recognition

RAW, STRONGEST, VIEW1 = "raw", "strongest of the audit", "LFW view 1 accuracy"
MATCHING, RANK, FULL_RANK = "matching, rank of the map", "rank", "full rank"
RETRAINED = "detectors trained on in each pass"
MAX_TRAIN, MAX_IMPOSTOR = 1_500, 300_000
QUICK = ["logistic regression"]


def measure_widths(context: Any, templates: Any, units: list[int], retrained: int) -> Findings:
    """Measure raw templates and SensitiveNets of each width.

    Parameters
    ----------
    context : Context
    templates : FaceTemplates or JoinedTemplates
    units : list of int
        Widths of all layers, the widest first.
    retrained : int
        The width that is also tried with detectors that go on learning within a layer.
    """
    trial = _Trial(context, templates)
    variants: dict = {RAW: None} | {f"{n} units": (n, False) for n in units}
    variants[f"{retrained} units, {RETRAINED}"] = (retrained, True)

    def measure(seed):
        figures: dict = {}
        for name, variant in variants.items():
            context.say(name)
            cell = partial(trial.measure, variant, seed)
            found = context.once(f"{templates.encoder}, {name}, seed {seed}", cell)
            figures |= {(section, name, column): v for (section, column), v in found.items()}
        return figures

    return Findings(rows_of(context.over_seeds(measure)), trial.notes())


class _Trial:
    """UTKFace, CelebA and LFW by one kind of template, read once."""

    def __init__(self, context, templates):
        self.context = context
        self.data = Demographics.read(replace(context, templates=templates))
        self.lfw = unit_faces(templates.faces("lfw", "identity", "gender"))
        self.lfw = sample_people(self.lfw, context.pick(600, len(self.lfw)), 0)
        self.pairs = read_pairs(context.templates.path("lfw_pairs"))

    def measure(self, variant, seed):
        """Return one variant's figures by section and column."""
        sensitive, held_out = self.data.halves(seed)
        eraser = _Raw() if variant is None else self._fitted(sensitive, seed, *variant)
        figures = self._matched(eraser, held_out, seed)
        for section, attribute, train, test in self._tasks(held_out, seed):
            found = self._read(attribute, train, test, eraser.transform, seed)
            figures |= {(f"{section}, {attribute}", name): v for name, v in found.items()}
        return figures

    def _fitted(self, sensitive, seed, n_units, retrained):
        primary = self.data.partition("train")
        y = np.column_stack([sensitive[name].astype(str) for name in ATTRIBUTES])
        small = {"n_triplets": 4_000, "n_epochs": 1, "detector_epochs": [3, 1]}
        whole = {"n_triplets": 50_000, "n_epochs": 5, "detector_epochs": [50, 5]}
        chosen = self.context.pick(small, whole)
        if not retrained:
            chosen["detector_epochs"] = chosen["detector_epochs"][0]
        eraser = SensitiveNetsEraser(fixed_class=FIXED, n_units=n_units, seed=seed, **chosen)
        return eraser.fit(sensitive.X, y, primary=Primary(primary.X, primary["identity"]))

    def _tasks(self, held_out, seed):
        """Yield data set, attribute, rows to learn from and rows to test on."""
        test = np.random.default_rng(seed).permutation(len(held_out)) < TEST_SHARE * len(held_out)
        for attribute in ATTRIBUTES:
            yield "UTKFace", attribute, held_out.take(~test), held_out.take(test)
        yield "CelebA", "gender", self.data.partition(*VALIDATION), self.data.partition("test")
        known = self.lfw.known("gender")
        tested, train = split_identities(known["identity"], 0.3, seed=f"test {seed}")
        yield "LFW", "gender", known.take(train), known.take(tested)

    def _read(self, attribute, train, test, transform, seed):
        """Return what the paper's probes and the strongest attacker read, balanced accuracies."""
        y, y_test = (rows[attribute].astype(str) for rows in (train, test))
        X, X_test = transform(train.X), transform(test.X)
        n_rows = self.context.pick(400, MAX_TRAIN)
        picked = balanced_rows(y, seed=seed, max_rows=n_rows)
        n_epochs = self.context.pick(5, 150)
        found = probe(X[picked], y[picked], X_test, y_test, n_epochs=n_epochs, seed=seed)
        audited = audit(
            X,
            y,
            identity=train.labels.get("identity"),
            test={"X": X_test, "y": y_test, "identity": test.labels.get("identity")},
            attackers=self.context.pick(QUICK, None),
            curve=False,
            match=False,
            max_train_rows=n_rows,
            n_resamples=20,
            seed=seed,
        )
        chance = {"chance": audited.chance}
        return found | {STRONGEST: audited.before.headline.balanced_accuracy} | chance

    def _matched(self, eraser, held_out, seed):
        """Return how well people match, and the rank of the map."""
        figures = {}
        for name, faces in (("CelebA", self.data.partition("test")), ("LFW", self.lfw)):
            found = match_all(
                eraser.transform(faces.X), faces["identity"], n_resamples=0, seed=seed,
                max_impostor=MAX_IMPOSTOR,
            )["original-original"].result  # fmt: skip
            figures[MATCHING, f"{name} EER"] = found["eer"]["value"]
        try:
            join_pairs(self.pairs.select("view1"), self.lfw["image_id"], self.lfw["identity"])
        except InputError:  # No pair at hand, as of a small sample.
            pass
        else:
            accuracy = recognition(self.lfw, self.pairs, eraser)[1]
            figures[MATCHING, VIEW1] = accuracy
        figures[MATCHING, RANK] = map_rank(eraser.transform, held_out.X)
        figures[MATCHING, FULL_RANK] = held_out.X.shape[1] - 1
        return figures

    def notes(self):
        """Return what the figures mean."""
        data = self.data
        return [
            "The paper maps 2,048 features to 1,024, half of them (Sect. 2.2; thesis, 3.2). With "
            "as many units as features or more the map can keep all: rank is the number of "
            "directions in which its output moves when a template of unit length moves in one "
            "of 'full rank' many. Of equal numbers, nothing is removed for an attacker who "
            "inverts the map.",
            f"Templates of {len(data.utkface):,} faces of UTKFace, half of them for the eraser, "
            f"{len(data.celeba):,} of CelebA, whose training people are in the triplets, "
            f"{len(self.lfw):,} of LFW, on which nothing is fitted.",
            f"Attackers train on at most {self.context.pick(400, MAX_TRAIN):,} rows. Balanced "
            f"accuracy. '{STRONGEST}': tuned, picked on validation people. EER of all "
            "test people with all; view 1 of the pairs whose photos are at hand.",
            f"'{RETRAINED}': detectors learn on after each pass within a layer as well "
            '("re-trained on phi(x) in each iteration", page 3), elsewhere before each layer '
            "alone. "
            + self.context.pick(
                "Trained briefly, on a sample.", "Five passes of 50,000 triplets a layer."
            ),
        ]


class _Raw:
    """The templates as they are."""

    @staticmethod
    def transform(X):
        return X
