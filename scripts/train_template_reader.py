"""Train the reader of an encoder's templates that sfumato ships, and write its card.

    SFUMATO_DATA=... python scripts/train_template_reader.py CACHE OUTPUT.safetensors [ENCODER]

It learns gender, smiling and attractiveness from CelebA's training people, and gender (of those
who are at least 14), ethnicity and age from UTKFace; CelebA's validation people and a tenth of
UTKFace pick the epoch. It is measured on CelebA's test people, on another fifth of UTKFace, less
what nearly repeats a training photo, and on LFW.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

from sfumato.data.splits import split_identities
from sfumato.metrics.calibration import expected_calibration_error
from sfumato.metrics.groups import shares_by_group
from sfumato.metrics.ordinal import age_bands, age_errors
from sfumato.models import load, save
from sfumato.readers.templates import TemplateReader
from sfumato.reproduce.templates import Faces, FaceTemplates

MIN_AGE = 14
LIMITS = (
    "Labels of CelebA and UTKFace are what annotators or models saw, not what people say of "
    "themselves. For showing leakage, not for decisions about people."
)
# Cosine above which two photos of UTKFace count as one.
REPEATED = 0.98


def main(cache, output, encoder="dlib"):
    """Train, measure and write both files."""
    detector = "dlib" if encoder == "dlib" else None
    named = encoder if encoder == "dlib" else None
    templates = FaceTemplates(cache=cache, encoder=named, detector=detector)
    data = Data.read(templates)
    X, labels, validation = data.training()
    reader = TemplateReader(n_epochs=20).fit(X.astype(np.float32), labels, validation=validation)
    save_measured(reader, output, data, {"encoder": templates.spaces["celeba"]})


def save_measured(reader, output, data, about, read=None):
    """Save a reader, measure it as loaded again, and save it with its figures beside a JSON file.

    ``read(loaded, X)`` gives the readings of rows; default: ``loaded.read(X)``.
    """
    about = about | {"trained_on": data.counts(), "limits": LIMITS}
    save(reader, output, about=about)
    loaded = load(output)
    reads = (lambda X: loaded.read(X)) if read is None else (lambda X: read(loaded, X))
    about["measured"] = data.measure(reads)
    save(reader, output, about=about)
    Path(output).with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")


@dataclass(frozen=True)
class Data:
    """CelebA, UTKFace and LFW, and which rows of UTKFace are for what."""

    celeba: Faces
    utkface: Faces
    lfw: Faces
    test: np.ndarray
    validation: np.ndarray
    train: np.ndarray

    @classmethod
    def read(cls, templates, *more):
        """Read the tables, with more labels of CelebA."""
        names = ("identity", "partition", "gender", "smiling", "attractive", *more)
        utkface = templates.faces("utkface", "gender", "race", "age_years")
        return cls(
            templates.faces("celeba", *names),
            utkface,
            templates.faces("lfw", "identity", "gender").known("gender"),
            *utkface_parts(utkface),
        )

    def training(self):
        """Return rows, labels and the mask of those that pick the epoch."""
        celeba = self.celeba.take(self.celeba["partition"].astype(str) != "test")
        utkface = self.utkface.take(self.train | self.validation)
        picks = celeba["partition"].astype(str) != "train"
        chosen = np.concatenate([picks, self.validation[self.train | self.validation]])
        return np.concatenate([celeba.X, utkface.X]), labels_of(celeba, utkface), chosen

    def counts(self):
        """Return how many rows of each data set are trained on."""
        celeba = (self.celeba["partition"].astype(str) == "train").sum()
        return {"celeba": int(celeba), "utkface": int(self.train.sum())}

    def measure(self, read):
        """Return how well ``read(X)`` reads the rows that were not trained on."""
        celeba = self.celeba.take(self.celeba["partition"].astype(str) == "test")
        gender = self.lfw["gender"].astype(str)
        return {
            "celeba test people": on_celeba(read, celeba),
            "utkface held out": on_utkface(read, self.utkface.take(self.test)),
            "lfw": {"gender": by_group(read, self.lfw, "gender", gender)},
        }


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


def labels_of(celeba, utkface):
    """Return each attribute's labels of both, None where a data set has none."""
    gap = {"celeba": [None] * len(celeba), "utkface": [None] * len(utkface)}
    ages = utkface["age_years"].astype(float)
    labels = {
        "gender": [*celeba["gender"], *np.where(ages >= MIN_AGE, utkface["gender"], None)],
        "ethnicity": [*gap["celeba"], *utkface["race"]],
        "age_years": [*gap["celeba"], *utkface["age_years"]],
        "smiling": [*yes_no(celeba["smiling"], "smiling"), *gap["utkface"]],
        "attractive": [*yes_no(celeba["attractive"], "attractive"), *gap["utkface"]],
    }
    return {name: np.array(values, dtype=object) for name, values in labels.items()}


def yes_no(values, name):
    """Return the class names of a binary label."""
    return np.where(values.astype(bool), name, f"not {name}")


def by_group(read, faces, name, truth, groups=None):
    """Return accuracy with its interval of everybody and of each group, and the ECE."""
    reading = read(faces.X)[name]
    groups = truth if groups is None else groups
    found = shares_by_group(reading.label == truth, groups, identity=faces.labels.get("identity"))
    codes = reading.task.codes(truth)
    return {
        "accuracy": {g.group: [g.n, round(g.share, 4), *np.round(g.interval, 4)] for g in found},
        "calibration error": round(expected_calibration_error(reading.probabilities, codes), 4),
    }


def on_celeba(read, faces):
    """Return what the reader says of CelebA's test people."""
    gender = faces["gender"].astype(str)
    truth = {"gender": gender} | {n: yes_no(faces[n], n) for n in ("smiling", "attractive")}
    return {name: by_group(read, faces, name, y, gender) for name, y in truth.items()}


def on_utkface(read, faces):
    """Return what the reader says of UTKFace's test rows, by gender, ethnicity and age."""
    ages, race = faces["age_years"].astype(float), faces["race"].astype(str)
    groups = np.array(
        [", ".join(g) for g in zip(faces["gender"], race, age_bands(ages), strict=True)]
    )
    adult = ages >= MIN_AGE
    adults = faces.take(adult)
    found = {
        "gender": by_group(read, adults, "gender", adults["gender"].astype(str), groups[adult]),
        "ethnicity, 5 classes": by_group(read, faces, "ethnicity", race, groups),
    }
    four = faces.take(race != "other")
    reading = read(four.X)["ethnicity"]
    without = [n for n, c in enumerate(reading.task.classes) if c != "other"]
    said = np.array(reading.task.classes)[without][
        reading.probabilities[:, without].argmax(axis=1)
    ]
    shares = shares_by_group(said == four["race"].astype(str), four["race"])
    found["ethnicity, 4 classes"] = {
        "accuracy": {g.group: [g.n, round(g.share, 4), *np.round(g.interval, 4)] for g in shares}
    }
    reading = read(faces.X)["age_years"]
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
