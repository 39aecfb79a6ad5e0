"""Crops: which photos are left out and which labels go along; the folder is whole or absent."""

import io

import pyarrow.parquet as pq
import pytest

from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE
from sfumato.faces.crops import Crops
from sfumato.faces.detect import Face
from sfumato.jobs.crops import crop_faces

pytest.importorskip("cv2", reason="needs the extra faces")


class FixedDetector:
    """Finds one face where ArcFace's template has it; none in a dark photo."""

    name = "fixed"
    version = "1"

    def detect(self, image):
        return [Face((0, 0, 112, 112), 1.0, ARCFACE, "fixed")] if image.max() else []


@pytest.fixture
def photos(tmp_path):
    """Return a folder of two bright photos, a dark one and a broken one, in that order."""
    Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, value in (("a", 50), ("b", 0), ("c", 200)):
        Image.new("RGB", (112, 112), (value,) * 3).save(folder / f"{name}.png")
    (folder / "d.png").write_bytes(b"no picture")
    return folder


def test_photos_without_a_face_are_left_out_and_listed(photos, tmp_path):
    crops = crop_faces(photos, tmp_path / "crops", size=64, detector=FixedDetector(), workers=1)
    assert crops.images.shape == (2, 64, 64, 3) and len(crops) == 2
    assert crops.images[:, 32, 32, 0].tolist() == [50, 200]
    assert crops.labels["image_id"].tolist() == ["a.png", "c.png"]
    rejects = pq.read_table(tmp_path / "crops" / "rejects.parquet").to_pylist()
    assert [row["image_id"] for row in rejects] == ["b.png", "d.png"]
    assert rejects[0]["reason"] == "no face found"
    assert crops.about["n_rejects"] == 2 and crops.about["detector"] == "fixed"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_labels_go_along(photos, tmp_path):
    from sfumato.data.info import TableInfo
    from sfumato.data.tables import table_batch, write_table

    images = [{"bytes": (photos / name).read_bytes(), "path": name} for name in ("b.png", "c.png")]
    batch = table_batch({"image_id": ["x", "y"], "image": images, "age_years": [30, 40]})
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(source="t"))
    options = {"size": 64, "detector": FixedDetector(), "workers": 1}
    crops = crop_faces(tmp_path / "t.parquet", tmp_path / "c", **options)
    assert {name: values.tolist() for name, values in crops.labels.items()} == {
        "image_id": ["y"],
        "age_years": [40],
    }


def test_nothing_is_left_of_a_run_that_fails(photos, tmp_path):
    for name in ("a", "c"):
        (photos / f"{name}.png").unlink()
    with pytest.raises(InputError, match="no face in any of 2 photos"):
        crop_faces(photos, tmp_path / "out", detector=FixedDetector(), workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_an_existing_folder_is_not_touched(photos, tmp_path):
    with pytest.raises(InputError, match="exists already"):
        crop_faces(photos, photos, detector=FixedDetector())
    with pytest.raises(InputError, match="no folder of crops"):
        Crops(photos)
    assert len(list(photos.iterdir())) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_whole_photos_need_no_detector(photos, tmp_path, workers):
    crops = crop_faces(photos, tmp_path / "w", size=16, zoom=None, workers=workers)
    assert crops.images[:, 8, 8, 0].tolist() == [50, 0, 200]
    assert crops.about["detector"] == "whole"


def test_grey_photos_become_rgb(tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")
    stream = io.BytesIO()
    Image.new("L", (20, 20), 90).save(stream, "PNG")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "g.png").write_bytes(stream.getvalue())
    crops = crop_faces(tmp_path / "in", tmp_path / "out", size=16, zoom=None, workers=1)
    assert (crops.images == 90).all()
