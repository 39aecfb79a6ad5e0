"""The pipeline: sources, order, rejects, resuming, crashes; real faces at the end."""

import os
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.data.importers import import_folder
from sfumato.data.info import TableInfo
from sfumato.data.tables import IMAGE, FaceTable, write_table
from sfumato.errors import InputError, SfumatoError
from sfumato.jobs.base import CRASHED
from sfumato.jobs.embed import embed


@pytest.fixture
def folder(tmp_path, png):
    """Six photos, three of which give templates, and files that are no photos."""
    files = {
        "ada/1.png": png(1, 10),
        "ada/2.PNG": png(2, 20),
        "bob/1.png": png(1, 30),
        "bob/blank.png": png(0),
        "bob/text.jpg": b"not a photo",
        "top.png": png(99),
        "notes.txt": b"no photo",
        "ada/._1.png": b"left by a file manager",
    }
    for name, data in files.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "photos"


def many(folder, png, n=600):
    """Write ``n`` photos, enough for three chunks; every seventh has no face."""
    folder.mkdir()
    for i in range(n):
        (folder / f"{i:04d}.png").write_bytes(png(int(i % 7 > 0), i % 256, i // 256))
    return folder


def rows(path):
    return pq.read_table(path).to_pylist()


def test_folder_by_hand(folder, tmp_path, fakes):
    output = tmp_path / "out.parquet"
    summary = embed(folder, output, identity="folder", **fakes)
    found = rows(output)
    # Red, green, blue of the photo and 50, the width of the largest face.
    assert [row["image_id"] for row in found] == ["ada/1.png", "ada/2.PNG", "bob/1.png"]
    assert [row["embedding"] for row in found] == [[1, 10, 0, 50], [2, 20, 0, 50], [1, 30, 0, 50]]
    assert [row["identity"] for row in found] == ["ada", "ada", "bob"]
    rejects = {row["image_id"]: row["reason"] for row in rows(summary.rejects_path)}
    assert rejects.pop("bob/text.jpg").startswith("not an image")
    assert rejects == {
        "bob/blank.png": "no face found",
        "top.png": "failed with RuntimeError: this detector dislikes 99",
    }
    assert summary.rejects_path == str(tmp_path / "out.rejects.parquet")
    assert (summary.n_photos, summary.n_templates, summary.n_rejects) == (6, 3, 3)
    assert sum(summary.reasons.values()) == 3 and summary.seconds > 0
    assert FaceTable(output).check().info == TableInfo(
        source="photos",
        encoder="mean",
        encoder_version="1",
        dimension=4,
        metric="euclidean",
        normalisation="none",
    )
    assert sorted(os.listdir(tmp_path)) == ["out.parquet", "out.rejects.parquet", "photos"]


def test_all_faces(folder, tmp_path, fakes):
    embed(folder, tmp_path / "out.parquet", all_faces=True, **fakes)
    found = {row["image_id"]: row["embedding"][3] for row in rows(tmp_path / "out.parquet")}
    assert found == {"ada/1.png#0": 50, "ada/2.PNG#0": 50, "ada/2.PNG#1": 49, "bob/1.png#0": 50}


def test_list_of_paths(folder, tmp_path, fakes):
    listed = folder / "list.txt"
    listed.write_text("bob/1.png\n\nada/1.png\nada/missing.png\n")
    summary = embed(listed, tmp_path / "out.parquet", identity="folder", **fakes)
    found = rows(tmp_path / "out.parquet")
    assert [(row["image_id"], row["identity"]) for row in found] == [
        ("bob/1.png", "bob"),
        ("ada/1.png", "ada"),
    ]
    assert list(summary.reasons) == ["cannot be opened (No such file or directory)"]


def photo_table(path, images, **columns):
    columns = {"image_id": [f"p{i}" for i in range(len(images))], **columns}
    arrays = {name: pa.array(values) for name, values in columns.items()}
    values = [None if data is None else {"bytes": data, "path": "x.png"} for data in images]
    batch = pa.RecordBatch.from_pydict({**arrays, "image": pa.array(values, IMAGE)})
    # Row groups that do not divide into tasks.
    batches = [batch.slice(at, 7) for at in range(0, len(images), 7)]
    write_table(path, batches, batch.schema, TableInfo(source="snaps"))
    return path


def test_table_keeps_labels_and_images(tmp_path, fakes, png):
    images = [png(1, i) if i != 4 else None for i in range(40)]
    names, ages = [f"id{i // 2}" for i in range(40)], [float(i) for i in range(40)]
    old = np.zeros((40, 2)).tolist()
    source = photo_table(
        tmp_path / "in.parquet", images, identity=names, age_years=ages, embedding=old
    )
    summary = embed(source, tmp_path / "out.parquet", keep_images=True, **fakes)
    assert summary.reasons == {"the row has no image": 1} and summary.n_templates == 39
    kept = [i for i in range(40) if i != 4]
    for i, row in zip(kept, rows(tmp_path / "out.parquet"), strict=True):
        assert row == {
            "image_id": f"p{i}",
            "identity": f"id{i // 2}",
            "age_years": i,
            "image": {"bytes": images[i], "path": "x.png"},
            "embedding": [1, i, 0, 50],
        }
    table = FaceTable(tmp_path / "out.parquet")
    assert table.info.source == "snaps" and table.label_columns == ["age_years"]


@pytest.mark.parametrize("linked", ["imported", "relative", "a folder of parts"])
def test_photos_that_a_table_links_are_read(folder, tmp_path, fakes, linked):
    source = tmp_path / "linked.parquet"
    names = ["ada/1.png", "bob/1.png", "gone.png"]
    if linked == "imported":
        import_folder(folder, source)
        (folder / "top.png").unlink(missing_ok=True)
        (folder / "bob" / "blank.png").unlink()
    else:
        place = source if linked == "relative" else source / "part.parquet"
        source.mkdir() if linked != "relative" else None
        up = "photos" if linked == "relative" else "../photos"
        images = [{"bytes": None, "path": f"{up}/{name}"} for name in names]
        batch = pa.RecordBatch.from_pydict({"image_id": names, "image": pa.array(images, IMAGE)})
        write_table(place, [batch], batch.schema, TableInfo())
    summary = embed(source, tmp_path / "out.parquet", keep_images=True, **fakes)
    found = {row["image_id"]: row for row in rows(tmp_path / "out.parquet")}
    assert found["bob/1.png"]["embedding"][1] == 30
    assert found["ada/1.png"]["image"]["bytes"] == (folder / "ada/1.png").read_bytes()
    assert summary.reasons == {"cannot be opened (No such file or directory)": 1}
    (reject,) = rows(summary.rejects_path)
    assert reject["path"].endswith("blank.png" if linked == "imported" else "gone.png")


def test_no_images_unless_asked(folder, tmp_path, fakes):
    embed(folder, tmp_path / "out.parquet", **fakes)
    assert FaceTable(tmp_path / "out.parquet").columns == ["image_id", "embedding"]
    embed(folder, tmp_path / "kept.parquet", keep_images=True, **fakes)
    image = rows(tmp_path / "kept.parquet")[0]["image"]
    assert image["bytes"] == (folder / "ada/1.png").read_bytes()


def test_nan_embeddings_are_rejected(tmp_path, fakes, png):
    source = photo_table(tmp_path / "in.parquet", [png(1), png(1, 77)])
    summary = embed(source, tmp_path / "out.parquet", **fakes)
    assert summary.reasons == {"the encoder gave a NaN or infinite value": 1}


def test_every_photo_rejected_gives_an_empty_table(tmp_path, fakes, png):
    source = photo_table(tmp_path / "in.parquet", [png(0), png(0)])
    assert embed(source, tmp_path / "out.parquet", **fakes).n_templates == 0
    assert FaceTable(tmp_path / "out.parquet").n_rows == 0


def test_a_stale_reject_report_goes(folder, tmp_path, fakes, png):
    output = tmp_path / "out.parquet"
    assert embed(folder, output, **fakes).n_rejects == 3
    with pytest.raises(InputError, match="exists already"):
        embed(folder, output, **fakes)
    source = photo_table(tmp_path / "in.parquet", [png(1)])
    summary = embed(source, output, overwrite=True, **fakes)
    assert summary.rejects_path is None and not (tmp_path / "out.rejects.parquet").exists()
    assert len(rows(output)) == 1


class Killed(BaseException):
    """Not an Exception, so nothing in the pipeline may catch it."""


def killer(at):
    def progress(done, total, what):
        if done >= at:
            raise Killed

    return progress


def test_resume_gives_the_same_table(tmp_path, fakes, png):
    folder = many(tmp_path / "photos", png)
    whole = embed(folder, tmp_path / "whole.parquet", **fakes)
    for at in (256, 512):
        with pytest.raises(Killed):
            embed(folder, tmp_path / "cut.parquet", progress=killer(at), **fakes)
    assert not (tmp_path / "cut.parquet").exists()
    calls = []
    again = embed(
        folder, tmp_path / "cut.parquet", progress=lambda *now: calls.append(now), **fakes
    )
    # A fourth of what is left, 32 at least: 150, 112, 84, 63, 47, 36, 32, 32, 32, 12.
    assert calls == [(done, 600, "photos") for done in (524, 556, 588, 600)]
    # 86 of 600 are multiples of 7; of the others two have the green 77 that gives a NaN.
    assert again.n_templates == whole.n_templates == 512 and again.reasons == whole.reasons
    for name in ("{}.parquet", "{}.rejects.parquet"):
        whole_bytes = (tmp_path / name.format("whole")).read_bytes()
        assert (tmp_path / name.format("cut")).read_bytes() == whole_bytes
    assert not (tmp_path / "cut.parquet.parts").exists()


def test_resume_refuses_other_settings(tmp_path, fakes, png):
    folder, output = many(tmp_path / "photos", png, 300), tmp_path / "out.parquet"
    with pytest.raises(Killed):
        embed(folder, output, progress=killer(256), **fakes)
    with pytest.raises(InputError, match=r"other settings \(all_faces False instead of True\)"):
        embed(folder, output, all_faces=True, **fakes)
    (folder / "0007.png").write_bytes(png(2, 5))
    with pytest.raises(InputError, match=r"other settings \(content .*overwrite=True"):
        embed(folder, output, **fakes)
    calls = []
    embed(folder, output, overwrite=True, progress=lambda *now: calls.append(now), **fakes)
    assert calls[0] == (0, 300, "photos")
    assert {row["image_id"] for row in rows(output)} >= {"0007.png", "0001.png"}


def test_chunks_in_the_middle_are_filled_in(tmp_path, fakes, png):
    source = photo_table(tmp_path / "in.parquet", [png(1, i % 256) for i in range(600)])
    output = tmp_path / "out.parquet"
    embed(source, tmp_path / "whole.parquet", **fakes)
    with pytest.raises(Killed):
        embed(source, output, progress=killer(600), **fakes)
    (tmp_path / "out.parquet.parts" / "part-000001.parquet").unlink()
    embed(source, output, **fakes)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


FAKES = """
import os, signal
import numpy as np
from sfumato.faces.detect import Face

class Detector:
    name, version = "fragile", "1"

    def detect(self, image):
        if image[0, 0, 2] == 66:
            os.kill(os.getpid(), signal.SIGKILL)
        return [Face((0, 0, 1, 1), 1.0, np.zeros((5, 2)))]

class Encoder:
    name, version, dimension, metric, normalisation = "mean", "1", 3, "euclidean", "none"

    def encode(self, image, face):
        return image.mean(axis=(0, 1)).astype(np.float32)

class Unpicklable(Encoder):
    def __setstate__(self, state):
        raise RuntimeError("cannot be loaded here")

    def __getstate__(self):
        return {"a": 1}
"""


@pytest.fixture
def fragile(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "fragile_fakes.py").write_text(FAKES)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    return __import__("fragile_fakes")


def test_crashing_photos_are_rejected_and_the_order_kept(tmp_path, png, fragile):
    colours = [(1, i, 66 if i in (3, 50, 51) else 0) for i in range(100)]
    source = photo_table(tmp_path / "in.parquet", [png(*colour) for colour in colours])
    summary = embed(
        source,
        tmp_path / "out.parquet",
        detector=fragile.Detector(),
        encoder=fragile.Encoder(),
        workers=2,
    )
    assert summary.reasons == {CRASHED.reason: 3}
    assert [row["image_id"] for row in rows(summary.rejects_path)] == ["p3", "p50", "p51"]
    good = [i for i in range(100) if i not in (3, 50, 51)]
    assert [row["embedding"] for row in rows(tmp_path / "out.parquet")] == [
        [1, i, 0] for i in good
    ]


def test_workers_that_cannot_start_say_so(tmp_path, png, fragile, capfd):
    source = photo_table(tmp_path / "in.parquet", [png(1)] * 40)
    with pytest.raises(SfumatoError, match="worker processes cannot start"):
        embed(
            source,
            tmp_path / "out.parquet",
            detector=fragile.Detector(),
            encoder=fragile.Unpicklable(),
            workers=2,
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": "missing"}, "no such folder or file"),
        ({"source": "empty"}, "no photo in it"),
        ({"source": "list.bin"}, "unknown content; give a folder, a photo"),
        ({"source": "twice.txt"}, r"line 2: a.png is already in line 1"),
        ({"source": "void.txt"}, "names no photo"),
        ({"source": "plain.parquet"}, "has no column image"),
        ({"source": "plain.parquet", "identity": "folder"}, "identity='folder' needs files"),
        ({"identity": "name"}, "identity must be one of folder"),
        ({"output": "out.csv"}, "name it"),
        ({"output": "no/where.parquet"}, "does not exist"),
        ({"workers": 0}, "workers must be an integer >= 1, or None"),
        (
            {"detector": "haar"},
            "one of dlib, dlib-68, mtcnn, centerface, centerface:PATH, yunet:PATH, got 'haar'",
        ),
        ({"detector": "yunet:none.onnx"}, "none.onnx: no such file"),
        ({"encoder": "arcface-onnx"}, "one of dlib, arcface-onnx:PATH, got 'arcface-onnx'"),
        ({"encoder": "arcface-onnx:none.onnx"}, "none.onnx: no such file"),
    ],
)
def test_bad_input(folder, tmp_path, fakes, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.bin").write_bytes(b"\x80\x81\x00\xff")
    (tmp_path / "twice.txt").write_text("a.png\na.png\n")
    (tmp_path / "void.txt").write_text("\n \n")
    write_table(
        tmp_path / "plain.parquet",
        [pa.RecordBatch.from_pydict({"image_id": ["a"]})],
        pa.schema([("image_id", pa.string())]),
        TableInfo(),
    )
    call = {"source": folder, "output": "out.parquet", **fakes, **arguments}
    with pytest.raises(InputError, match=words) as caught:
        embed(call.pop("source"), call.pop("output"), **call)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.parquet.parts").exists()


def test_real_faces_end_to_end(shared, tmp_path):
    for module in ("cv2", "onnxruntime", "PIL"):
        pytest.importorskip(module, reason="needs the extra faces")
    table = pq.ParquetFile(shared("data/lfw.parquet")).read_row_group(0).slice(0, 60)
    ids = table.column("image_id").to_pylist()
    pq.write_table(table, tmp_path / "lfw.parquet")
    models = {
        "detector": f"yunet:{shared('models/yunet_n_640_640.onnx')}",
        "encoder": f"arcface-onnx:{shared('models/mobilefacenet.onnx')}",
    }
    summary = embed(tmp_path / "lfw.parquet", tmp_path / "two.parquet", workers=2, **models)
    assert asdict(summary)["n_rejects"] == 0 and summary.n_templates == 60
    embed(tmp_path / "lfw.parquet", tmp_path / "one.parquet", workers=1, **models)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    result = FaceTable(tmp_path / "two.parquet").check()
    assert result.column("image_id").tolist() == ids and result.info.dimension == 128
    assert "gender" in result.label_columns
    X = result.embeddings()
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    names = result.column("identity")
    same = (names[:, None] == names) & ~np.eye(60, dtype=bool)
    assert same.any()
    assert np.median((X @ X.T)[same]) > 0.4
    assert np.quantile((X @ X.T)[names[:, None] != names], 0.99) < 0.3


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_a_photo_that_is_replaced_while_its_job_runs_is_noticed(name, png, tmp_path, fakes):
    folder, out, seen = many(tmp_path / "photos", png, 200), tmp_path / name, []
    photo = folder / "0010.png"
    first = photo.read_bytes()

    def replace(n_done, *_):
        seen.append(n_done)
        if n_done and photo.read_bytes() == first:
            photo.write_bytes(png(2, 200))

    message = r"0010\.png: changed while the job ran; the parts done meanwhile are taken away"
    with pytest.raises(InputError, match=message):
        embed(folder, out, progress=replace, **fakes)
    assert name == "out" or not out.exists()
    photo.write_bytes(first)
    seen.clear()
    embed(folder, out, progress=lambda n_done, *_: seen.append(n_done), **fakes)
    assert 0 < seen[0] < 200  # The parts without that photo were kept.
    embed(folder, tmp_path / "whole.parquet", **fakes)
    assert FaceTable(out).embeddings().tolist() == (
        FaceTable(tmp_path / "whole.parquet").embeddings().tolist()
    )
