"""Photos and models simple enough to know the right answer; jobs that workers can import."""

import io
from pathlib import Path

import numpy as np
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.leace import LeaceEraser
from sfumato.faces.detect import Face
from sfumato.models import SavedModel


class CountDetector:
    """Finds as many faces as the red of the first pixel says, the largest first."""

    name = "count"
    version = "1"

    def detect(self, image):
        """Return faces of falling width."""
        n_faces = int(image[0, 0, 0])
        if n_faces == 99:
            raise RuntimeError("this detector\ndislikes 99")
        return [Face((0, 0, 50 - i, 50), 1.0, np.zeros((5, 2))) for i in range(n_faces)]


class MeanEncoder:
    """Encodes a face as the image's mean colour and the face's width."""

    name = "mean"
    version = "1"
    dimension = 4
    metric = "euclidean"
    normalisation = "none"

    def encode(self, image, face):
        """Return (red, green, blue, width)."""
        if image[0, 0, 1] == 77:
            return np.full(4, np.nan, np.float32)
        return np.array([*image.mean(axis=(0, 1)), face.box[2]], np.float32)


@pytest.fixture
def fakes():
    return {"detector": CountDetector(), "encoder": MeanEncoder(), "workers": 1}


@pytest.fixture
def png():
    """Return a function that gives the PNG bytes of one colour; its red counts the faces."""
    Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")

    def encode(red, green=0, blue=0):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8), (red, green, blue)).save(stream, "PNG")
        return stream.getvalue()

    return encode


@pytest.fixture(autouse=True)
def found_by_workers(monkeypatch):
    """Let worker processes import the jobs that tests define; pytest imports them otherwise."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture(scope="module")
def table_job(tmp_path_factory):
    """A job over five row groups of 20 rows, of which two have a bad one."""
    from sfumato.jobs.protect_templates import ProtectTemplates

    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 20, 4)).astype(np.float32)
    gender = np.array(["f", "m"] * (10))
    eraser = LeaceEraser().fit(X.reshape(-1, 4), np.tile(gender, 5))
    X[1, 3, 2] = X[4, 0, 1] = np.nan
    batches = [
        table_batch({"image_id": [f"{n}-{row}" for row in range(20)], "embedding": X[n]})
        for n in range(5)
    ]
    info = TableInfo(source="toy", encoder="e", dimension=4)
    path = tmp_path_factory.mktemp("damage") / "in.parquet"
    write_table(path, batches, batches[0].schema, info)
    return ProtectTemplates(SavedModel(eraser, ("gender",), info), FaceTable(path))


@pytest.fixture
def table(tmp_path):
    """Return a table of five row groups of 40 rows with six features."""
    rng = np.random.default_rng(0)
    batches = [
        table_batch(
            {
                "image_id": [f"{group}-{row}" for row in range(40)],
                "identity": [f"p{row // 2}" for row in range(40)],
                "gender": rng.choice(["female", "male"], 40),
                "embedding": rng.normal(size=(40, 6)),
            }
        )
        for group in range(5)
    ]
    info = TableInfo(source="toy", encoder="e", dimension=6, metric="cosine")
    write_table(tmp_path / "raw.parquet", batches, batches[0].schema, info)
    return FaceTable(tmp_path / "raw.parquet")


@pytest.fixture
def model(table):
    """Return an eraser of gender, fitted on the table."""
    eraser = LeaceEraser().fit(table.embeddings(), table.column("gender").astype(str))
    return SavedModel(eraser, ("gender",), table.info)
