"""Crops: where the face lies, which photos are left out; the folder is whole or absent."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE
from sfumato.faces.crops import Cropper, Crops, Stack, Subset, crop_face
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


def test_zoom_1_is_arcfaces_crop_and_less_shows_more():
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop_face(image, ARCFACE, 112, zoom=1), image)
    wide = crop_face(image, ARCFACE, 112, zoom=0.5)
    # Half as large about the middle, black outside.
    assert (wide[:27] == 0).all() and (wide[:, -27:] == 0).all()
    assert wide[29:83, 29:83].std() > 10


def test_whole_photo_keeps_its_corners_in_the_corners():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:20, :40] = (255, 0, 0)
    crop = Cropper(16, None).encode(image, None)
    assert (crop[:7, :7] == (255, 0, 0)).all()
    assert (crop[9:] == 0).all() and (crop[:, 9:] == 0).all()
    again = Cropper(40, None).encode(image[:, :40], None)
    np.testing.assert_array_equal(again, image[:, :40])


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


def test_stacked_parts_and_subsets_keep_the_order_asked_for():
    images = np.random.default_rng(0).integers(256, size=(9, 2, 2, 3)).astype(np.uint8)
    stack = Stack([images[:4], images[4:5], images[5:]])
    numbers = np.array([8, 0, 4, 4, 5, 3])
    np.testing.assert_array_equal(stack[numbers], images[numbers])
    some = Subset(stack, numbers)
    assert (len(stack), len(some), some.shape) == (9, 6, (6, 2, 2, 3))
    np.testing.assert_array_equal(some[np.array([5, 0])], images[[3, 8]])
    assert stack[np.array([], dtype=int)].shape == (0, 2, 2, 3)
