"""Fit an eraser that sfumato ships, and write what attackers read after it.

    SFUMATO_DATA=... python scripts/fit_bundled_eraser.py CACHE OUTPUT.safetensors [ENCODER]

The barycentre of gender is fitted on CelebA's training people and on UTKFace's adults without a
fifth, and saved in half precision. Attackers train afresh on protected templates of 70 % of the
people whom it did not see and are tested on the others: CelebA's validation and test people,
UTKFace's fifth (less what nearly repeats a fitted photo), and LFW. CACHE may hold templates of
fewer photos, CACHE/NAME-ENCODER.parquet.
"""

import json
import sys
from pathlib import Path

import numpy as np
from train_template_reader import MIN_AGE, utkface_parts

from sfumato.audit.protocol import audit
from sfumato.data.splits import split_identities
from sfumato.data.tables import FaceTable
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.metrics.floor import pairs_of_one_class, resolves
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.metrics.verification import RankedScores
from sfumato.models import load, save
from sfumato.models.likeness import Likeness
from sfumato.models.saved_model import SavedModel
from sfumato.reproduce._recorded import RECORDED
from sfumato.reproduce.erasers_leaderboard import CONTEXT, fit_rows_of
from sfumato.reproduce.templates import FaceTemplates

ATTRIBUTE = "gender"
#: For dlib's templates, see the class; other encoders take the defaults.
PARAMETERS = {"dlib": {"n_steps": 5, "budget": 0.2, "within": 3.0}}
MAX_TRAIN = 6_000
LIMITS = (
    "It holds for people like those that it was fitted on. Others are read more often: for them "
    "fit an eraser of your own, and audit in any case."
)


def main(cache, output, encoder="dlib"):
    """Fit, save, measure what was saved, and write the figures beside it."""
    own = {"encoder": encoder, "detector": encoder} if encoder == "dlib" else {}
    celeba, utkface, lfw, info = read(FaceTemplates(cache=cache, **own), cache, encoder)
    test, *_ = utkface_parts(utkface)
    part = celeba["partition"].astype(str)
    X, y, identity, context = fit_rows_of(celeba.take(part == "train"), utkface.take(~test))
    eraser = BarycentreEraser(**PARAMETERS.get(encoder, {}), seed=0)
    eraser.fit(X, y, identity=identity, context=context)
    said = (
        f"{np.sum(part == 'train'):,} photos of CelebA's training people, {np.sum(~test):,} of "
        "UTKFace's adults"
    )
    fitted_on = {"source": "celeba", "also": ["utkface"], "n_rows": len(X), "rows": said}
    model = SavedModel(
        eraser,
        (ATTRIBUTE,),
        info,
        fitted_on | {"limits": LIMITS},
        likeness=likeness_of(X, y, identity, context[:, -1]),
    )
    save(model, output, half=True)
    sides = sides_of(celeba, utkface.take(test), lfw)
    found = {"encoder": info.space, "fitted_on": fitted_on, "limits": LIMITS}
    found |= {"raw": measure(sides, None, info.metric)}
    found |= {"measured": measure(sides, load(output).eraser.transform, info.metric)}
    whole = measure({"celeba": sides["celeba"]}, eraser.transform, info.metric)
    found |= {"before half precision": whole}
    Path(output).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def likeness_of(X, y, identity, source):
    """Return the moments of the fitted people, one row each, by gender and data set."""
    _, first = np.unique(identity, return_index=True)
    cells = [f"{a} x {b}" for a, b in zip(source[first], y[first], strict=True)]
    return Likeness.of(X[first], cells)


def read(templates, cache, encoder):
    """Return the rows of the three data sets that have a gender, and the embeddings' info."""
    celeba = templates.faces("celeba", "identity", "partition", ATTRIBUTE, *CONTEXT)
    utkface = templates.faces("utkface", ATTRIBUTE, "race", "age_years").known(ATTRIBUTE)
    lfw = templates.faces("lfw", "identity", ATTRIBUTE).known(ATTRIBUTE)
    adult = utkface["age_years"].astype(float) >= MIN_AGE
    info = FaceTable(sorted(Path(cache).glob(f"celeba*-{encoder}.parquet"))[0]).info
    return celeba.known(ATTRIBUTE), utkface.take(adult), lfw, info


def sides_of(celeba, utkface, lfw):
    """Return to each data set what attackers train on, and what they are tested on."""
    sets = {
        "celeba": (celeba.take(celeba["partition"].astype(str) != "train"), "identity"),
        "utkface": (utkface, "image_id"),
        "lfw": (lfw, "identity"),
    }
    found = {}
    for name, (faces, people) in sets.items():
        held_out, kept = split_identities(faces[people], 0.3, seed="attack")
        found[name] = (faces.take(kept), faces.take(held_out))
    return found


def measure(sides, transform, metric):
    """Return balanced accuracies, and the price in matching where people have several photos."""
    found = {}
    for name, pair in sides.items():
        train, test = (_through(faces, transform) for faces in pair)
        before = audit(
            **train,
            test=test,
            metric=metric,
            max_train_rows=MAX_TRAIN,
            attackers=list(RECORDED),
            n_resamples=100,
            curve=False,
        ).before
        best = before.headline
        found[name] = {
            "strongest": [best.attacker, *np.round([best.balanced_accuracy, *best.ci95], 4)],
            "attackers": {n: round(a.balanced_accuracy, 4) for n, a in before.attacks.items()},
            "rows": [len(train["X"]), len(test["X"])],
        }
        print(name, found[name]["strongest"], flush=True)
        if name != "utkface":
            found[name]["price"] = _price(test, metric)
            if transform is None:
                found[name]["impostors of one gender"] = _price(test, metric, test["y"])
    return found


def _price(test, metric, y=None):
    pairs = all_pairs(test["identity"])
    if y is not None:
        pairs = pairs_of_one_class(pairs, y)
    scores = all_vs_all(test["X"], None, metric, pairs=pairs)
    ranked = RankedScores(scores.genuine, scores.impostor)
    found = {"EER": ranked.eer().value}
    for column, fmr in {"FNMR@1e-3": 1e-3, "FNMR@1e-4": 1e-4}.items():
        if resolves(fmr, len(scores.impostor)):
            found[column] = 1 - float(ranked.tmr_at_fmr(fmr))
    return {name: round(value, 4) for name, value in found.items()}


def _through(faces, transform):
    X = faces.X.astype(np.float32)
    people = faces.labels.get("identity", faces["image_id"])
    return {
        "X": X if transform is None else transform(X),
        "y": faces[ATTRIBUTE].astype(str),
        "identity": people.astype(str),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
