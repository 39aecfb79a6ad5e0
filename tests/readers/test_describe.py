"""Describing photos: every face, every attribute, every photo that cannot be."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands
from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE
from sfumato.faces.detect import Face
from sfumato.jobs.describe import describe, to_rows
from sfumato.readers.describe import LAWFUL
from sfumato.readers.files import WEIGHTS, shipped_reader
from sfumato.readers.pictures import annotate, check_output
from sfumato.readers.tasks import AgeTask, ClassTask, reading_of

assert commands
Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")


class RedDetector:
    """Finds as many faces as the red of the first pixel, tens, the largest first."""

    name, version = "red", "1"

    def detect(self, image):
        n = int(image[0, 0, 0]) // 10
        return [Face((5 * i, 0, 5 * i + 20 - i, 20), 0.9, np.zeros((5, 2))) for i in range(n)]


class GreenEncoder:
    """A template of two: the green of the photo and the place of the face."""

    name, version, dimension = "green", "1", 2

    def encode(self, image, face):
        return np.array([image[0, 0, 1], face.box[0]], np.float32)


class SignReader:
    """Green above 100 is "bright"; the age is 20 or 30 by the place of the face."""

    kind = "templates"
    about: dict = {"measured": {"much": "text"}}

    def read(self, X):
        sign = np.where(X[:, :1] > 100, 5.0, -5.0)
        age = np.where(X[:, 1:] > 0, 5.0, -5.0)
        return {
            "light": reading_of(ClassTask("light", ("dark", "bright")), np.hstack([-sign, sign])),
            "age_years": reading_of(AgeTask("age_years", (20, 30)), age),
        }


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in (("a", (10, 200, 0)), ("b", (20, 0, 0)), ("c", (0, 0, 0))):
        Image.new("RGB", (60, 40), colour).save(folder / f"{name}.png")
    (folder / "d.jpg").write_bytes(b"no picture")
    return folder


FAKES = {
    "reader": SignReader(),
    "detector": RedDetector(),
    "encoder": GreenEncoder(),
    "workers": 1,
}


def test_every_face_is_described_and_every_other_photo_named(photos):
    done = []
    found = describe(photos, **FAKES, progress=lambda *at: done.append(at))
    assert [(f["image_id"], f["face"]) for f in found.faces] == [
        ("a.png", 0),
        ("b.png", 0),
        ("b.png", 1),
    ]
    assert [f["light"]["label"] for f in found.faces] == ["bright", "dark", "dark"]
    assert [f["age_years"]["years"] for f in found.faces] == [20, 20, 30]
    assert found.faces[2]["box"] == {"left": 5.0, "top": 0.0, "right": 24.0, "bottom": 20.0}
    assert [r["image_id"] for r in found.rejects] == ["c.png", "d.jpg"]
    assert found.rejects[0]["reason"] == "no face found"
    assert done[-1] == (4, 4, "photos")
    told = found.to_dict()
    assert told["note"] == LAWFUL and "measured" not in told["reader"]
    json.dumps(told, allow_nan=False)


def test_largest_alone_and_one_photo(photos):
    assert [f["face"] for f in describe(photos / "b.png", **FAKES, largest=True).faces] == [0]


def test_rows_are_flat(photos):
    row = to_rows(describe(photos / "b.png", **FAKES))[1]
    assert row["light"] == "dark" and row["light_probability"] > 0.99
    assert (row["age_years"], row["age_years_low"], row["left"]) == (30, 30, 5.0)
    assert all(not isinstance(value, dict) for value in row.values())


def test_reader_of_other_templates_is_refused(photos):
    reader = SignReader()
    reader.about = {"encoder": "other / 1 / 2-d"}
    with pytest.raises(InputError, match=r"reads \[other / 1 / 2-d\], not \[green / 1 / 2-d\]"):
        describe(photos, **FAKES | {"reader": reader})
    with pytest.raises(InputError, match="no reader comes with the encoder x; use one of dlib"):
        shipped_reader("x")


class GreyOfPixels:
    """Reads the mean of the crop; says of which shape and type it was."""

    kind, crops, about = "pixels", {"size": 8, "zoom": 0.72}, {}

    def __init__(self):
        self.seen = []

    def read(self, images):
        self.seen.append((images.shape, images.dtype))
        mean = images.reshape(len(images), -1).mean(axis=1, keepdims=True)
        logits = np.hstack([60 - mean, mean - 60])
        return {"light": reading_of(ClassTask("light", ("dark", "bright")), logits)}


def test_a_reader_of_pixels_gets_crops_and_needs_no_encoder(tmp_path):
    pytest.importorskip("cv2", reason="needs the extra faces")
    Image.new("RGB", (112, 112), (10, 20, 30)).save(tmp_path / "a.png")
    Image.new("RGB", (112, 112), (20, 220, 200)).save(tmp_path / "b.png")

    class Detector(RedDetector):
        def detect(self, image):
            faces = super().detect(image)
            return [replace(face, landmarks=ARCFACE) for face in faces]

    reader = GreyOfPixels()
    found = describe(tmp_path, reader=reader, detector=Detector(), encoder=None, workers=1)
    assert [f["light"]["label"] for f in found.faces] == ["dark", "bright", "bright"]
    # All faces of some photos are read at once.
    assert reader.seen == [((3, 8, 8, 3), np.uint8)]


def test_picture_has_boxes_and_text_and_the_photo_stays(photos, tmp_path):
    before = (photos / "b.png").read_bytes()
    faces = describe(photos / "b.png", **FAKES).faces
    annotate(photos / "b.png", faces, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        drawn = np.array(picture)
    assert drawn.shape == (40, 60, 3) and len(np.unique(drawn.reshape(-1, 3), axis=0)) > 2
    assert (photos / "b.png").read_bytes() == before
    for path, what in (("x.bmp", "must end in .png"), ("y.png", "one photo")):
        with pytest.raises(InputError, match=what):
            annotate(photos if path == "y.png" else photos / "b.png", faces, tmp_path / path)


def test_nothing_is_overwritten_unasked(photos, tmp_path):
    (tmp_path / "old.csv").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        check_output([tmp_path / "old.csv"], photos)
    check_output([tmp_path / "old.csv"], photos, replace=True)
    with pytest.raises(InputError, match="is an input of this command"):
        check_output([photos / "a.png"], photos / "a.png", replace=True)
    check_output([tmp_path / "old.csv"], tmp_path / "missing", replace=True)
    with pytest.raises(InputError, match="does not exist"):
        check_output([tmp_path / "no" / "x.csv"], photos)


def test_shipped_weights_say_what_they_are():
    for path in WEIGHTS.glob("*.safetensors"):
        assert path.stat().st_size < 1e7
        assert f"## {path.stem}" in (WEIGHTS / "README.md").read_text()
        about = shipped_reader(path.stem).about
        assert about["limits"] and about["trained_on"] and about["measured"]
        assert json.loads(path.with_suffix(".json").read_text()) == about


def test_command_line_on_real_faces(shared, tmp_path):
    """Two photos of LFW, one broken: the table, CSV, JSON, the picture and the exit code."""
    import pyarrow.parquet as pq

    pytest.importorskip("dlib", reason="needs the extra faces")
    file = pq.ParquetFile(shared("data/lfw.parquet"))
    rows = file.read_row_group(0, columns=["image", "gender"]).slice(0, 2).to_pylist()
    folder = tmp_path / "in"
    folder.mkdir()
    for name, row in zip(("-0.png", "1.png"), rows, strict=True):
        photo = Image.open(io.BytesIO(row["image"]["bytes"]))
        photo.save(folder / name)
    (folder / "z.png").write_bytes(b"")
    run = CliRunner().invoke
    found = run(app, ["describe", str(folder), "--json", "--csv", str(tmp_path / "o.csv")])
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert [f["gender"]["label"] for f in told["faces"]] == [row["gender"] for row in rows]
    assert told["rejects"][0]["image_id"] == "z.png"
    lines = list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines()))
    assert len(lines) == 2 and 1 <= int(lines[0]["age_years"]) <= 116
    # A spreadsheet would take the first name for a formula; JSON has it as it is.
    assert [line["image_id"] for line in lines] == ["'-0.png", "1.png"]
    assert told["faces"][0]["image_id"] == "-0.png"
    assert "texts that a spreadsheet would run: 1, each with an apostrophe" in found.stderr
    assert found.stderr.startswith(LAWFUL.split(".")[0])
    one, out = str(folder / "-0.png"), tmp_path / "o.png"
    assert run(app, ["describe", one, "--picture", str(out)]).exit_code == 0
    with Image.open(out) as drawn, Image.open(one) as photo:
        assert drawn.size == photo.size
