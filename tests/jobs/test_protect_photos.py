"""Photos through a batch job: protected as `sfumato protect` does, counted, resumed."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")


from sfumato.data.info import TableInfo  # noqa: E402
from sfumato.data.tables import IMAGE, FaceTable, write_table  # noqa: E402
from sfumato.errors import InputError, SfumatoError  # noqa: E402
from sfumato.faces.photos import read_photo  # noqa: E402
from sfumato.faces.sources import open_source  # noqa: E402
from sfumato.jobs.folder import Folder  # noqa: E402
from sfumato.jobs.local import Here, Local  # noqa: E402
from sfumato.jobs.protect_files import protect_photos  # noqa: E402
from sfumato.jobs.protect_photos import ProtectPhotos  # noqa: E402
from sfumato.jobs.run import run_job  # noqa: E402
from sfumato.models import registry  # noqa: E402
from sfumato.perturbers.editing import Wish  # noqa: E402

SQUARES = {"a.png": [(40, 60, 80)], "b.jpg": [(40, 60, 80), (220, 120, 31)], "d.webp": []}


@pytest.fixture
def perturber(brighten, monkeypatch):
    monkeypatch.setitem(registry.PERTURBERS, "light", "brighten:LightPerturber")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(os.sys.path))
    return brighten.LightPerturber()


@pytest.fixture
def folder(photo_of, tmp_path):
    """A folder of photos: good ones, one with a face too small, one without, one broken."""
    folder = tmp_path / "photos"
    (folder / "in").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    for name, squares in SQUARES.items():
        image = Image.fromarray(photo_of(*squares))
        image.save(folder / name, exif=exif, quality=95)
        image.save(folder / "in" / f"{name}.bmp")
    (folder / "c.jpg").write_bytes(b"")
    return folder


def job_of(source, perturber, brighten, hide=("gender",), keep=(), **options):
    wish = Wish.of(perturber, hide, keep=keep)
    return ProtectPhotos(open_source(source), perturber, brighten.RedDetector(), wish, **options)


def test_photos_are_those_that_protect_writes(folder, perturber, brighten, tmp_path):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    detector, job = brighten.RedDetector(), job_of(folder, perturber, brighten)
    done = protect_photos(
        folder, tmp_path / "whole", perturber, hide=["gender"], detector=detector, workers=1
    )
    rows, rejects, _ = all_of(job, tmp_path / "out")
    assert [(bad["image_id"], bad["reason"]) for bad in rejects] == [
        (bad["image_id"], bad["reason"]) for bad in done.rejects
    ]
    assert {bad["reason"] for bad in rejects} == {"no face found", "the file is empty"}
    assert [row["image_id"] for row in rows] == [photo["image_id"] for photo in done.photos]
    assert len(rows) == 4
    for row in rows:
        written = tmp_path / "whole" / row["image"]["path"]
        assert written.read_bytes() == row["image"]["bytes"], written
        assert b"Canon" not in row["image"]["bytes"]
        assert row["n_left"] == row["image_id"].count("b.jpg")
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    # It is a table of photos for the next job, and says what was done to them.
    step = FaceTable(tmp_path / "out").info.transformations[0]
    assert step["method"] == "light" and step["attributes"] == ["gender"]
    assert open_source(tmp_path / "out").n_photos == 4


def test_a_tables_photos_lose_the_labels_of_what_is_hidden(
    perturber, brighten, photo_of, tmp_path
):
    names = [f"p{n}" for n in range(5)]
    path = tmp_path / "a.png"
    Image.fromarray(photo_of((40, 60, 80))).save(path)
    images = [{"bytes": path.read_bytes(), "path": "x.png"}] * 4 + [None]
    columns = {
        "image_id": pa.array(names),
        "gender": pa.array(["male"] * 5),
        "gender_score": pa.array([0.9] * 5),
        "n_left": pa.array([7] * 5),
        "race": pa.array(list("abcde")),
        "image": pa.array(images, IMAGE),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(source="toy"))
    job = job_of(tmp_path / "t.parquet", perturber, brighten)
    rows, rejects, _ = all_of(job, tmp_path / "out")
    assert rejects == [{"image_id": "p4", "path": None, "reason": "the row has no image"}]
    table = FaceTable(tmp_path / "out")
    assert table.columns == ["image_id", "race", "image", "n_faces", "n_left"]
    assert table.info.source == "toy" and list(table.column("race")) == list("abcd")
    image = rows[3]["image"]
    assert image["path"] == "p3.png"
    before, after = (read_photo(content) for content in (path.read_bytes(), image["bytes"]))
    # A fifth brighter in the face's middle, untouched beyond its crop.
    np.testing.assert_array_equal(after[100, 80], [251, 71, 71])
    np.testing.assert_array_equal(after[180:, 209:], before[180:, 209:])


def all_of(job, output):
    """Do a job in this process; return its rows, its rejects and the summary."""
    folder, parts = Folder(output), job.parts(3)
    folder.open(job.settings, parts)
    job.prepare()
    for part in parts:
        folder.write(part, job.rows(part), job.schema, job.info)
    summary = folder.close(parts, job.counts)
    tables = (pq.read_table(place) for place in (output, output / "_rejects"))
    return *(table.to_pylist() for table in tables), summary


class Failing(ProtectPhotos):
    """The second part fails as long as the file ``trap`` is there."""

    trap = ""

    def rows(self, part):
        if part.number == 1 and os.path.exists(self.trap):
            raise ValueError("a trap")
        yield from super().rows(part)


def test_photos_are_gone_on_with(folder, perturber, brighten, tmp_path):
    job, out = job_of(folder, perturber, brighten), tmp_path / "out"
    job.__class__, job.trap = Failing, str(tmp_path / "trap")
    (tmp_path / "trap").touch()
    with pytest.raises(SfumatoError, match="1 of 3 parts failed, .*: a trap"):
        run_job(job, out, part_rows=3, runner=Here())
    kept = {path: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    assert len(kept) == 2
    (tmp_path / "trap").unlink()
    other = job_of(folder, perturber, brighten, max_pixels=99)
    with pytest.raises(InputError, match="max_pixels 100000000 instead of 99"):
        run_job(other, out, part_rows=3, runner=Here())
    summary = run_job(job, out, part_rows=3, runner=Local(1))
    # Seven photos: two without a face, one is empty; the small face is there twice.
    found = {name: n for name, n in summary.items() if name.startswith("n_")}
    assert found == {
        "n_rows_in": 7, "n_rows": 4, "n_rejects": 3, "n_parts": 3, "n_faces": 4, "n_left": 2,
    }  # fmt: skip
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_what_cannot_be_hidden_is_refused(folder, perturber, brighten):
    with pytest.raises(InputError, match="cannot hide or keep 'race'"):
        job_of(folder, perturber, brighten, keep=["race"])


class Check:
    """A reader that is misled by the first photo alone, by its size."""

    def compare(self, before, after, face):
        said = {"before": {"label": "f"}, "after": {"label": "f" if len(before) > 240 else "m"}}
        return {"readings": {"a": {"gender": said}}, "match": {"accepted": True}}


def test_a_check_is_counted(perturber, brighten, photo_of, tmp_path):
    (tmp_path / "photos").mkdir()
    for name, height in {"a.png": 240, "b.png": 260}.items():
        image = photo_of((40, 60, 80), height=height, width=320)
        Image.fromarray(image).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "a.txt").write_text("hello")
    job = job_of(tmp_path / "photos", perturber, brighten, check=Check())
    rows, _, summary = all_of(job, tmp_path / "out")
    assert [(row["n_succeeded"], row["n_failed"]) for row in rows] == [(1, 0), (0, 1)]
    assert summary["n_succeeded"] == summary["n_failed"] == 1
    assert job.unread.left_out == {"text": ["a.txt"]}
    unchecked = job_of(tmp_path / "photos", perturber, brighten)
    assert "n_succeeded" not in unchecked.schema.names and job.settings != unchecked.settings


def test_another_strength_is_another_job(folder, brighten, monkeypatch, tmp_path):
    monkeypatch.setitem(registry.PERTURBERS, "light", "brighten:ScaledPerturber")

    class ScaledPerturber(brighten.LightPerturber):
        scaled_by, strength = "strength", 1.0

        def get_params(self):
            return {"strength": self.strength}

    monkeypatch.setattr(brighten, "ScaledPerturber", ScaledPerturber, raising=False)
    ScaledPerturber.__module__, ScaledPerturber.__qualname__ = "brighten", "ScaledPerturber"
    weak, strong = ScaledPerturber(), ScaledPerturber()
    strong.strength = 2.0
    settings = [job_of(folder, each, brighten).settings for each in (weak, strong)]
    assert settings[0] != settings[1]
    assert [each["strength"] for each in settings] == [1.0, 2.0]
