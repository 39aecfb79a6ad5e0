"""Faces for the experiments on perturbers: the people to train and to test on."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sfumato.data.splits import split_identities
from sfumato.faces.crops import Stack, Subset
from sfumato.perturbers.choice import age_group
from sfumato.readers.files import shipped_reader

RACES = ("black", "white")
#: CelebA's race is used where the reader gives it this probability. The paper sets no threshold:
#: it gathers predictions by subject and corrects those that disagree by hand (Sect. 3.4).
CONFIDENT = 0.8
# Pixels a side of the faces that are judged.
JUDGED = 128
UTKFACE_TEST = 0.2
#: Where the race is no true label, and who says it; UTKFace's is told.
RACE_BY = {"CelebA": "labels of the dlib reader", "LFW": "predicted labels"}


@dataclass(frozen=True)
class Learnt:
    """Faces with all three labels, to train perturbers on.

    Parameters
    ----------
    images : Subset
        uint8 of shape (n_faces, size, size, 3).
    labels : dict of str to ndarray of str
        ``gender``, ``race`` and ``age`` (a group).
    identity : ndarray of str
        Of UTKFace every face is a person.
    partition : ndarray of str
        "train", or "val": the people attackers learn from.
    """

    images: Subset
    labels: dict
    identity: np.ndarray
    partition: np.ndarray

    @classmethod
    def read(cls, context: Any, size: Any) -> Any:
        """Read CelebA and UTKFace; CelebA's race and age are what the shipped reader says."""
        celeba, about = context.templates.crops("celeba", size)
        parts = about["partition"].astype(str)
        rows = np.concatenate(
            [_sample(np.flatnonzero(parts == p), context.pick(60, None)) for p in ("train", "val")]
        )
        reading = shipped_reader("pixels").read(Subset(celeba, rows))
        race = reading["ethnicity"]
        sure = (race.confidence >= context.pick(0.0, CONFIDENT)) & np.isin(race.label, RACES)
        first = rows[sure]
        utkface, own = context.templates.crops("utkface", size)
        second = np.flatnonzero(np.isin(own["race"].astype(str), RACES) & ~held_out(own))
        second = _sample(second, context.pick(60, None))
        years = own["age_years"][second].astype(float)
        labels = {
            "gender": np.concatenate([about["gender"][first], own["gender"][second]]),
            "race": np.concatenate([race.label[sure], own["race"][second]]),
            "age": np.concatenate([age_group(reading["age_years"].label[sure]), age_group(years)]),
        }
        numbers = np.concatenate([first, len(celeba) + second])
        return cls(
            Subset(Stack([celeba, utkface]), numbers),
            {name: values.astype(str) for name, values in labels.items()},
            np.concatenate([about["identity"][first], own["image_id"][second]]).astype(str),
            np.concatenate([parts[first], np.full(len(second), "train")]),
        )

    def of(self, partition: Any) -> tuple[Any, ...]:
        """Return images, labels and identity of one partition."""
        rows = np.flatnonzero(self.partition == partition)
        images = Subset(self.images.images, self.images.rows[rows])
        labels = {name: values[rows] for name, values in self.labels.items()}
        return images, labels, self.identity[rows]


@dataclass(frozen=True)
class Tried:
    """Faces that no perturber learnt from.

    Parameters
    ----------
    images : ndarray of shape (n_faces, 3, size, size), float32
        In [0, 1].
    labels : dict of str to ndarray
        ``gender``, ``race`` and ``age`` in years, as far as known.
    identity : ndarray of str or None
    """

    images: np.ndarray
    labels: dict
    identity: np.ndarray | None


def tried_faces(context: Any) -> Any:
    """Return CelebA's test people, LFW and held-out faces of UTKFace, by name."""
    found = {}
    images, labels = context.templates.crops("celeba", JUDGED)
    test = labels["partition"].astype(str) == "test"
    rows = two_each(labels["identity"], test, context.pick(24, 200))
    found["CelebA"] = _tried(images, labels, rows, ("gender",))
    images, labels = context.templates.crops("lfw", JUDGED)
    known = np.array([value is not None for value in labels["gender"]])
    labels = labels | {"race": labels["race_predicted"]}
    rows = two_each(labels["identity"], known, context.pick(24, 200))
    found["LFW"] = _tried(images, labels, rows, ("gender", "race"))
    images, labels = context.templates.crops("utkface", JUDGED)
    rows = np.flatnonzero(held_out(labels) & np.isin(labels["race"].astype(str), RACES))
    rows = _sample(rows, context.pick(24, 400))
    labels = labels | {"age": labels["age_years"], "identity": None}
    found["UTKFace"] = _tried(images, labels, rows, ("gender", "race", "age"))
    return found


def marked(what: str, where: str) -> str:
    """Return a name, marked where the race of that data set is no true label."""
    return f"{what} ({RACE_BY[where]})" if where in RACE_BY else what


def held_out(labels: Any) -> Any:
    """Return the mask of UTKFace's faces that nothing learns from."""
    test, _ = split_identities(labels["image_id"].astype(str), UTKFACE_TEST, seed="test")
    return test


def two_each(identity: Any, mask: Any, n_people: Any) -> Any:
    """Return two rows of each of so many people who have two, drawn by seed 0."""
    rows = np.random.default_rng(0).permutation(np.flatnonzero(mask))
    people, place, count = np.unique(
        identity[rows].astype(str), return_inverse=True, return_counts=True
    )
    chosen = np.random.default_rng(1).permutation(np.flatnonzero(count > 1))[:n_people]
    found = [rows[place == person][:2] for person in chosen]
    return np.sort(np.concatenate(found))


def _sample(rows, n):
    return np.sort(np.random.default_rng(0).permutation(rows)[:n])


def _tried(images, labels, rows, known):
    planes = images[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
    who = labels["identity"]
    return Tried(
        planes,
        {name: labels[name][rows] for name in known},
        None if who is None else who[rows].astype(str),
    )
