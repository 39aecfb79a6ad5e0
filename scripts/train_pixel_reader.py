"""Train a reader of pixels on the rows of the template reader, and write its card.

    SFUMATO_DATA=... python scripts/train_pixel_reader.py CACHE OUTPUT.safetensors FOLDER [EPOCHS]

CACHE has the templates of dlib's encoder, which say what rows are for what
(`train_template_reader.py`), and takes the cut-out faces; FOLDER takes the checkpoints, so that a
run that was cut off goes on.
"""

import sys
from pathlib import Path

import numpy as np
from train_template_reader import Data, save_measured

from sfumato.experiments.templates import Faces, Templates
from sfumato.faces.crops import Crops, crop_faces
from sfumato.readers.pixels import train_pixels
from sfumato.readers.recipes import Architecture, Recipe

SIZE = 64
NETWORK = Architecture("resnet18", {"width": 0.5}, size=SIZE)


def main(cache, output, folder, n_epochs=12):
    """Train, measure and write both files."""
    templates = Templates(cache=cache, encoder="dlib", detector="dlib")
    store = Store()
    data = in_store(Data.read(templates), store, templates, cache)
    rows, labels, validation = data.training()
    recipe = Recipe(int(n_epochs), batch_size=128, learning_rate=2e-3, weight_decay=0.02)
    reader, _ = train_pixels(
        Part(store, rows), labels, validation, NETWORK, recipe, folder=folder, progress=show
    )
    save_measured(reader, output, data, {}, lambda loaded, X: loaded.read(Part(store, X)))


def in_store(data, store, templates, cache):
    """Return the same rows as numbers of a store, less those without a face."""
    found = {
        name: store.add(templates, cache, name, getattr(data, name))
        for name in ("celeba", "utkface", "lfw")
    }
    kept = np.isin(data.utkface["image_id"], found["utkface"]["image_id"])
    masks = {name: getattr(data, name)[kept] for name in ("test", "validation", "train")}
    return Data(**found, **masks)


class Store:
    """Cut-out faces of several tables, by number."""

    def __init__(self):
        self.parts, self.ends = [], [0]

    def add(self, templates, cache, name, faces):
        """Cut a table's faces out, once; return its labels with numbers in the place of X."""
        places = {}
        root = templates.folder
        for source in sorted([*root.glob(f"{name}.parquet"), *root.glob(f"{name}-[0-9].parquet")]):
            folder = Path(cache) / f"{source.stem}-faces-{SIZE}px"
            if folder.exists():
                crops = Crops(folder)
            else:
                crops = crop_faces(source, folder, size=SIZE, detector=detector(templates))
            start = self.ends[-1]
            places |= {str(i): start + n for n, i in enumerate(crops.labels["image_id"])}
            self.parts.append(crops.images)
            self.ends.append(start + len(crops))
        known = faces.take(np.isin(faces["image_id"].astype(str), list(places)))
        numbers = np.array([places[str(i)] for i in known["image_id"]])
        return Faces(numbers, known.labels, known.metric)

    def __getitem__(self, numbers):
        found = np.empty((len(numbers), SIZE, SIZE, 3), np.uint8)
        which = np.searchsorted(self.ends, numbers, side="right") - 1
        for part in np.unique(which):
            rows = which == part
            found[rows] = self.parts[part][numbers[rows] - self.ends[part]]
        return found


class Part:
    """Some faces of a store, for train_pixels and read."""

    def __init__(self, store, numbers):
        self.store, self.numbers = store, numbers
        self.shape = (len(numbers), SIZE, SIZE, 3)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, rows):
        return self.store[self.numbers[rows]]


def detector(templates):
    """Return YuNet if its file lies in the models folder beside the data, else dlib."""
    path = templates.folder.parent / "models" / "yunet_n_640_640.onnx"
    return f"yunet:{path}" if path.is_file() else "dlib"


def show(done, total, what):
    """Print now and then how far the training is."""
    if done % 100 == 0:
        print(f"{done}/{total} {what}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
