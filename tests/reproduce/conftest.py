"""A data folder of drawn templates with the tables that experiments ask for."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.audit import floor, protocol
from sfumato.data.info import TableInfo
from sfumato.data.tables import table_batch, write_table
from sfumato.jobs import local
from sfumato.reproduce._expressions import SHARED
from sfumato.reproduce.erasers_leaderboard import CONTEXT
from sfumato.reproduce.run import reproduce
from sfumato.reproduce.templates import FaceTemplates

D = 16
RACES = ("asian", "black", "indian", "white", "other")


def draw(rng, who, codes, *, strength=4.0):
    """Return templates of people; each label's classes have a mean of their own."""
    X = rng.normal(size=(who.max() + 1, D))[who] + 0.3 * rng.normal(size=(len(who), D))
    for place, code in enumerate(codes):
        shift = np.random.default_rng(place).normal(size=(8, D))
        X += strength * shift[code] / np.linalg.norm(shift[code], axis=1, keepdims=True)
    return X.astype(np.float32)


def photos(rng, n):
    """Return small grey photos, no two alike."""
    Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")
    found = []
    for number in range(n):
        stream = io.BytesIO()
        small = Image.fromarray(rng.integers(0, 255, size=(4, 4), dtype=np.uint8))
        small.resize((68, 68)).save(stream, "PNG")
        found.append({"bytes": stream.getvalue(), "path": f"{number}.png"})
    return found


def write(folder, name, X, who=None, **labels):
    """Write a face table; return its image ids."""
    ids = [f"{name}-{number:05d}" for number in range(len(X))]
    columns = {"image_id": ids}
    if who is not None:
        columns["identity"] = [f"{name} {number}" for number in who]
    batch = table_batch(columns | labels | {"embedding": X})
    info = TableInfo(source=name, encoder="drawn", encoder_version="1", dimension=D)
    write_table(folder / f"{name}.parquet", [batch], batch.schema, info)
    return ids


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Return a folder with CelebA, UTKFace, LFW and its pairs, JAFFE and CK+, all drawn."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("world")
    who = np.repeat(np.arange(240), 4)
    labels = {name: rng.integers(2, size=len(who)) for name in ("attractive", "smiling")}
    write(
        folder,
        "celeba",
        draw(rng, who, [who % 2, *labels.values()], strength=2.0),
        who,
        partition=np.array(["train", "val", "test"])[np.searchsorted([120, 180], who, "right")],
        gender=np.where(who % 2 == 1, "male", "female"),
        image=photos(np.random.default_rng(1), len(who)),
        **{name: rng.integers(2, size=len(who)).astype(bool) for name in CONTEXT}
        | {name: values.astype(bool) for name, values in labels.items()},
    )
    who = np.arange(900)
    race = rng.integers(5, size=len(who))
    write(
        folder,
        "utkface",
        draw(rng, who, [who % 2, race]),
        gender=np.where(who % 2 == 1, "male", "female"),
        race=np.array(RACES)[race],
        age_years=rng.integers(20, 60, size=len(who)),
        image=photos(rng, len(who)),
    )
    who = np.repeat(np.arange(480), 3)
    gender = np.where(who % 2 == 1, "male", "female")
    race = who // 2 % 5
    labels = {"gender": gender, "race_predicted": np.array(RACES)[race]}
    labels["age_predicted"] = np.random.default_rng(3).uniform(20, 60, size=len(who))
    labels["smiling_score"] = 0.5 * (who % 2) + np.random.default_rng(4).uniform(size=len(who))
    labels["image"] = photos(np.random.default_rng(2), len(who))
    lfw = write(folder, "lfw", draw(rng, who, [who % 2, race]), who, **labels)
    _write_pairs(folder / "lfw_pairs.parquet", lfw)
    for name, n_people, classes in (
        ("jaffe", 10, (*SHARED, "fear", "neutral")),
        ("ckplus48", 40, (*SHARED, "fear", "contempt")),
    ):
        who = np.repeat(np.arange(n_people), 14)
        code = np.tile(np.arange(14) % 7, n_people)
        # The classes are almost equally frequent, as in practice.
        code[:: 7 * 11] = 0
        write(folder, name, draw(rng, who, [code]), who, expression=np.array(classes)[code])
    return folder


class WholePhotos(FaceTemplates):
    """Drawn photos show no face that a detector would find."""

    def crops(self, name, size):
        return self.photos(name, size)

    def chosen_crops(self, name, ids, size, *, zoom=None):
        return super().chosen_crops(name, ids, size, zoom=zoom)


@pytest.fixture(scope="session")
def measured(world, tmp_path_factory):
    """Return a function from an experiment's name to its quick result, measured once."""
    found: dict = {}
    cache = tmp_path_factory.mktemp("cache")

    def measure(name):
        pytest.importorskip("torch")
        if name not in found:
            templates = WholePhotos(world, cache)
            with pytest.MonkeyPatch.context() as patch:
                # Photos so small are decoded before a worker process is there to do it.
                patch.setattr(local, "n_cores", lambda: 1)
                # Their intervals have tests of their own.
                patch.setattr(protocol, "MATCHING_RESAMPLES", 20)
                patch.setattr(floor, "MAX_RESAMPLES", 20)
                found[name] = reproduce(name, templates, n_seeds=1)
        return found[name]

    return measure


def _write_pairs(path, ids):
    """Write pairs of both views: genuine ones within, impostor ones across people."""
    views = {"view1": ("train", "test"), "view2": tuple(f"fold{n}" for n in range(10))}
    columns: dict = {key: [] for key in ("image_a", "image_b", "view", "split", "genuine")}
    for view, splits in views.items():
        for person in range(120):
            for genuine, other in ((True, 3 * person + 1), (False, (3 * person + 4) % 360)):
                row = (ids[3 * person], ids[other], view, splits[person % len(splits)], genuine)
                for key, value in zip(columns, row, strict=True):
                    columns[key].append(value)
    pq.write_table(pa.table(columns), path)
