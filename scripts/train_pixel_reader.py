"""Train the reader of pixels that sfumato ships, and write its card.

    SFUMATO_DATA=... python scripts/train_pixel_reader.py CACHE OUTPUT.safetensors FOLDER \\
        [--epochs 30] [--devices 1]

It learns from the rows of the template reader (`train_template_reader.py`), of which CACHE has
dlib's templates, and the expressions from JAFFE and CK+: six tenths of their people to learn, one
to pick the epoch by, three to be measured on. In training the network also tells dlib's templates
of the same photos (`guide`): 54,000 photos are few, and a template says what matters in a face.
CACHE takes the cut-out faces; FOLDER takes the checkpoints, so that a run that was cut off goes
on, with as many devices as it had. Each device is a process, a GPU's or on the CPU, and computes
its part of every batch.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from train_template_reader import Data, by_group, save_measured, yes_no

from sfumato.data.splits import split_identities
from sfumato.faces.crops import ZOOM, Stack, Subset
from sfumato.readers.pixels import train_pixels
from sfumato.readers.recipes import Architecture, ReaderRecipe
from sfumato.reproduce.templates import Faces, FaceTemplates

SIZE = 64
NETWORK = Architecture("resnet18", {"width": 0.5}, size=SIZE)
# Of CelebA, beside those that the reader of templates learns.
MORE = ("young", "eyeglasses")
EXPRESSIONS = ("jaffe", "ckplus48")


def main():
    """Train, measure and write both files."""
    asked = argparse.ArgumentParser(description="Train the reader of pixels.")
    for name in ("cache", "output", "folder"):
        asked.add_argument(name)
    asked.add_argument("--epochs", type=int, default=30)
    asked.add_argument("--devices", type=int, default=1)
    found = asked.parse_args()
    train(found.cache, found.output, found.folder, found.epochs, found.devices)


def train(cache, output, folder, n_epochs, n_devices):
    """Train, measure and write both files."""
    templates = FaceTemplates(cache=cache, encoder="dlib", detector="dlib")
    store = Store(templates)
    data = PixelData.read(templates, store)
    rows, labels, validation = data.training()
    recipe = ReaderRecipe(
        n_epochs, batch_size=128, learning_rate=2e-3, weight_decay=0.02, precision="auto",
        devices=n_devices,
    )  # fmt: skip
    about = {"crops": {"size": SIZE, "zoom": ZOOM}, "epochs": recipe.n_epochs}
    reader, _ = train_pixels(
        store.images(rows), labels, validation, NETWORK, recipe,
        guide=store.guide(rows), folder=folder, progress=show,
    )  # fmt: skip
    save_measured(reader, output, data, about, lambda loaded, X: loaded.read(store.images(X)))


@dataclass(frozen=True)
class PixelData(Data):
    """The rows of the template reader as numbers of a store, and expressions."""

    expressions: Faces

    @classmethod
    def read(cls, templates, store):
        """Read the tables, and cut out the faces where that was not done yet."""
        data = Data.read(templates, *MORE)
        names = ("celeba", "utkface", "lfw")
        found = {name: store.add(name, getattr(data, name)) for name in names}
        kept = np.isin(data.utkface["image_id"], found["utkface"]["image_id"])
        masks = {name: getattr(data, name)[kept] for name in ("test", "validation", "train")}
        tables = [templates.faces(name, "identity", "expression") for name in EXPRESSIONS]
        parts = [store.add(*both) for both in zip(EXPRESSIONS, tables, strict=True)]
        who = [f"{n} {i}" for n, p in zip(EXPRESSIONS, parts, strict=True) for i in p["identity"]]
        labels = {"identity": np.array(who)}
        labels["expression"] = np.concatenate([part["expression"] for part in parts]).astype(str)
        numbers = np.concatenate([part.X for part in parts])
        return cls(**found, **masks, expressions=Faces(numbers, labels, "cosine"))

    def training(self):
        """Return rows, labels and the mask of those that pick the epoch."""
        rows, labels, picks = super().training()
        celeba = self.celeba.take(self.celeba["partition"].astype(str) != "test")
        faces, own = self.faces_of("train", "validation"), self.of("validation")
        own = own[self.of("train") | self.of("validation")]
        gap = [None] * (len(rows) - len(celeba))
        labels |= {name: [*yes_no(celeba[name], name), *gap] for name in MORE}
        known = {name: [*values, *[None] * len(faces)] for name, values in labels.items()}
        known["expression"] = [*[None] * len(rows), *faces["expression"]]
        labels = {name: np.array(values, dtype=object) for name, values in known.items()}
        return np.concatenate([rows, faces.X]), labels, np.concatenate([picks, own])

    def of(self, part):
        """Return the mask of the people of the expressions that are for "test" and so on."""
        who = self.expressions["identity"]
        test, rest = split_identities(who, 0.3, seed="test")
        own, _ = split_identities(who, 0.14, seed="validation")
        return {"test": test, "validation": rest & own, "train": rest & ~own}[part]

    def faces_of(self, *parts):
        """Return the faces of these people."""
        return self.expressions.take(np.logical_or.reduce([self.of(part) for part in parts]))

    def measure(self, read):
        """Return how well ``read(X)`` reads the rows that were not trained on."""
        celeba = self.celeba.take(self.celeba["partition"].astype(str) == "test")
        gender = celeba["gender"].astype(str)
        found = super().measure(read)
        found["celeba test people"] |= {
            name: by_group(read, celeba, name, yes_no(celeba[name], name), gender) for name in MORE
        }
        faces = self.faces_of("test")
        said = by_group(read, faces, "expression", faces["expression"])
        return found | {"jaffe and ckplus48": {"expression": said}}

    def counts(self):
        """Return how many rows of each data set are trained on."""
        return super().counts() | {"jaffe and ckplus48": len(self.faces_of("train"))}


class Store:
    """Cut-out faces of several tables, by number."""

    def __init__(self, templates):
        # The templates' own detector serves the encoder; crops need five good landmarks.
        self.templates = FaceTemplates(templates.folder, templates.cache, encoder="dlib")
        self.parts, self.guides = [], []

    def add(self, name, faces):
        """Cut a table's faces out, once; return its labels with numbers in the place of X."""
        images, labels = self.templates.crops(name, SIZE)
        start = sum(map(len, self.parts))
        places = {str(i): start + n for n, i in enumerate(labels["image_id"])}
        self.parts.append(images)
        self.guides.append(np.full((len(images), faces.X.shape[1]), np.nan, np.float32))
        known = faces.take(np.isin(faces["image_id"].astype(str), list(places)))
        numbers = np.array([places[str(i)] for i in known["image_id"]])
        self.guides[-1][numbers - start] = known.X
        return Faces(numbers, known.labels, known.metric)

    def images(self, numbers):
        """Return the faces of these numbers, read when asked for."""
        return Subset(Stack(self.parts), numbers)

    def guide(self, numbers):
        """Return the templates of the faces of these numbers."""
        return np.concatenate(self.guides)[numbers]


def show(done, total, what):
    """Print now and then how far the training is."""
    if done % 100 == 0:
        print(f"{done}/{total} {what}", flush=True)


if __name__ == "__main__":
    main()
