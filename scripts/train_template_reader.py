"""Train the reader of an encoder's templates that sfumato ships, and write its card.

    SFUMATO_DATA=... python scripts/train_template_reader.py CACHE OUTPUT.safetensors [ENCODER]

It learns gender, smiling and attractiveness from CelebA's training people, and gender (of those
who are at least 14), ethnicity and age from UTKFace; CelebA's validation people and a tenth of
UTKFace pick the epoch. It is measured on CelebA's test people, on another fifth of UTKFace, less
what nearly repeats a training photo, and on LFW.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

from sfumato.data.splits import split_identities
from sfumato.experiments.templates import Templates
from sfumato.metrics.calibration import expected_calibration_error
from sfumato.metrics.groups import shares_by_group
from sfumato.metrics.ordinal import age_bands, age_errors
from sfumato.readers.storage import load_reader, save_reader
from sfumato.readers.templates import TemplateReader

MIN_AGE = 14
# Cosine above which two photos of UTKFace count as one.
REPEATED = 0.98


def main(cache, output, encoder="dlib"):
    """Train, measure and write both files."""
    detector = "dlib" if encoder == "dlib" else None
    named = encoder if encoder == "dlib" else None
    templates = Templates(cache=cache, encoder=named, detector=detector)
    celeba = templates.faces("celeba", "identity", "partition", "gender", "smiling", "attractive")
    utkface = templates.faces("utkface", "gender", "race", "age_years")
    lfw = templates.faces("lfw", "identity", "gender").known("gender")
    part = celeba["partition"].astype(str)
    test, validation, train = utkface_parts(utkface)
    reader = fit(
        celeba.take(part != "test"),
        utkface.take(train | validation),
        validation[train | validation],
    )
    about = {
        "encoder": templates.spaces["celeba"],
        "trained_on": {
            "celeba": int((part == "train").sum()),
            "utkface": int(train.sum()),
        },
        "limits": "Labels of CelebA and UTKFace are what annotators or models saw, not what "
        "people say of themselves. For showing leakage, not for decisions about people.",
    }
    save_reader(reader, output, about=about)
    reader = load_reader(output)
    about["measured"] = {
        "celeba test people": on_celeba(reader, celeba.take(part == "test")),
        "utkface held out": on_utkface(reader, utkface.take(test)),
        "lfw": {"gender": by_group(reader, lfw, "gender", lfw["gender"].astype(str))},
    }
    save_reader(reader, output, about=about)
    Path(output).with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")


def utkface_parts(faces):
    """Return masks of the test, validation and training rows; the test repeats no other."""
    test, rest = split_identities(faces["image_id"], 0.2, seed="test")
    own, _ = split_identities(faces["image_id"], 0.125, seed="validation")
    X = faces.X / np.linalg.norm(faces.X, axis=1, keepdims=True)
    near = NearestNeighbors(n_neighbors=1, metric="cosine").fit(X[rest])
    repeated = 1 - near.kneighbors(X[test])[0][:, 0] > REPEATED
    print(f"{repeated.sum()} test photos nearly repeat another")
    test[np.flatnonzero(test)[repeated]] = False
    return test, rest & own, rest & ~own


def fit(celeba, utkface, validation):
    """Return the trained reader."""
    gap = {"celeba": [None] * len(celeba), "utkface": [None] * len(utkface)}
    ages = utkface["age_years"].astype(float)
    labels = {
        "gender": [*celeba["gender"], *np.where(ages >= MIN_AGE, utkface["gender"], None)],
        "ethnicity": [*gap["celeba"], *utkface["race"]],
        "age_years": [*gap["celeba"], *utkface["age_years"]],
        "smiling": [*yes_no(celeba["smiling"], "smiling"), *gap["utkface"]],
        "attractive": [*yes_no(celeba["attractive"], "attractive"), *gap["utkface"]],
    }
    X = np.concatenate([celeba.X, utkface.X]).astype(np.float32)
    chosen = np.concatenate([celeba["partition"].astype(str) != "train", validation])
    labels = {name: np.array(values, dtype=object) for name, values in labels.items()}
    return TemplateReader(n_epochs=20).fit(X, labels, validation=chosen)


def yes_no(values, name):
    """Return the class names of a binary label."""
    return np.where(values.astype(bool), name, f"not {name}")


def by_group(reader, faces, name, truth, groups=None):
    """Return accuracy with its interval of everybody and of each group, and the ECE."""
    reading = reader.read(faces.X)[name]
    groups = truth if groups is None else groups
    found = shares_by_group(reading.label == truth, groups, identity=faces.labels.get("identity"))
    codes = reading.task.codes(truth)
    return {
        "accuracy": {g.group: [g.n, round(g.share, 4), *np.round(g.interval, 4)] for g in found},
        "calibration error": round(expected_calibration_error(reading.probabilities, codes), 4),
    }


def on_celeba(reader, faces):
    """Return what the reader says of CelebA's test people."""
    gender = faces["gender"].astype(str)
    truth = {"gender": gender} | {n: yes_no(faces[n], n) for n in ("smiling", "attractive")}
    return {name: by_group(reader, faces, name, y, gender) for name, y in truth.items()}


def on_utkface(reader, faces):
    """Return what the reader says of UTKFace's test rows, by gender, ethnicity and age."""
    ages, race = faces["age_years"].astype(float), faces["race"].astype(str)
    groups = np.array(
        [", ".join(g) for g in zip(faces["gender"], race, age_bands(ages), strict=True)]
    )
    adult = ages >= MIN_AGE
    adults = faces.take(adult)
    found = {
        "gender": by_group(reader, adults, "gender", adults["gender"].astype(str), groups[adult]),
        "ethnicity, 5 classes": by_group(reader, faces, "ethnicity", race, groups),
    }
    four = faces.take(race != "other")
    reading = reader.read(four.X)["ethnicity"]
    without = [n for n, c in enumerate(reading.task.classes) if c != "other"]
    said = np.array(reading.task.classes)[without][
        reading.probabilities[:, without].argmax(axis=1)
    ]
    shares = shares_by_group(said == four["race"].astype(str), four["race"])
    found["ethnicity, 4 classes"] = {
        "accuracy": {g.group: [g.n, round(g.share, 4), *np.round(g.interval, 4)] for g in shares}
    }
    reading = reader.read(faces.X)["age_years"]
    low, high = reading.interval(0.9)
    found["age_years"] = {"within 90 % interval": float(((low <= ages) & (ages <= high)).mean())}
    for name, rows in {"all": ages >= 0, "21-60": (ages >= 21) & (ages <= 60)}.items():
        found["age_years"][name] = age_errors(ages[rows], reading.label[rows])._asdict()
    for band in np.unique(age_bands(ages)):
        rows = age_bands(ages) == band
        found["age_years"][str(band)] = age_errors(ages[rows], reading.label[rows])._asdict()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
