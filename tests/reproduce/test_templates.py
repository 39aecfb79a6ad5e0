import numpy as np
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.tables import IMAGE, FaceTable, table_batch, write_table
from sfumato.errors import InputError
from sfumato.reproduce.templates import Faces, FaceTemplates

D = 4


def table(path, ids, *, embedded=True, encoder="net", version="1", **labels):
    """Write a small face table with embeddings or with (empty) photos."""
    import pyarrow as pa

    columns = {"image_id": ids, "identity": ids, **labels}
    if embedded:
        columns["embedding"] = np.ones((len(ids), D), np.float32) * len(ids)
    else:
        photos = [{"bytes": b"", "path": name} for name in ids]
        columns["image"] = pa.array(photos, IMAGE)
    batch = table_batch(columns)
    info = TableInfo(source=path.stem, encoder=encoder, encoder_version=version, dimension=D)
    path.parent.mkdir(exist_ok=True)
    write_table(path, [batch], batch.schema, info if embedded else TableInfo(source=path.stem))


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data", tmp_path / "cache"


def test_embedded_tables_are_taken_as_they_are_and_parts_are_joined(folders):
    data, cache = folders
    table(data / "celeba-0.parquet", ["a", "b"], gender=["f", "m"])
    table(data / "celeba-1.parquet", ["c"], gender=["f"])
    templates = FaceTemplates(data, cache)
    faces = templates.faces("celeba", "identity", "gender")
    assert faces["identity"].tolist() == ["a", "b", "c"]
    assert faces.X[:, 0].tolist() == [2, 2, 1]
    assert not cache.exists() and templates.spaces == {"celeba": "net / 1 / 4-d"}


def test_photos_are_embedded_once_into_the_cache(folders, monkeypatch):
    data, cache = folders
    table(data / "lfw.parquet", ["a", "b", "c"], embedded=False)
    calls = []

    def embed(source, output, *, detector, encoder, progress):
        calls.append((source.name, output.name, detector, encoder))
        progress(3, 3, "photos")
        table(output, FaceTable(source).column("image_id").tolist())

    monkeypatch.setattr("sfumato.jobs.embed.embed", embed)
    seen = []
    for _ in range(2):
        progress = lambda *arguments: seen.append(arguments)  # noqa: E731
        faces = FaceTemplates(data, cache, progress=progress).faces("lfw")
        assert len(faces) == 3
    assert calls == [("lfw.parquet", "lfw-dlib.parquet", "dlib", "dlib")]
    assert seen == [(3, 3, "embedding lfw")]


def test_a_table_in_the_cache_stands_for_all_parts(folders):
    data, cache = folders
    table(data / "celeba-0.parquet", ["a", "b"], embedded=False)
    table(cache / "celeba-dlib.parquet", ["a", "b", "c"])
    templates = FaceTemplates(data, cache)
    templates.check(["celeba"])
    assert len(templates.faces("celeba")) == 3


def test_models_beside_the_data_folder_are_the_default(folders):
    data, cache = folders
    (data.parent / "models").mkdir()
    for name in ("mobilefacenet.onnx", "yunet_n_640_640.onnx"):
        (data.parent / "models" / name).write_bytes(name.encode())
    templates = FaceTemplates(data, cache)
    assert templates.encoder.endswith("models/mobilefacenet.onnx")
    assert templates.detector.endswith("models/yunet_n_640_640.onnx")
    # What another file of that name made is not taken for this one's.
    table(cache / "lfw-mobilefacenet.parquet", ["a"], version="other")
    with pytest.raises(InputError, match="delete the cached table"):
        templates.faces("lfw")
    assert FaceTemplates(data, cache, encoder="dlib").encoder == "dlib"


def test_two_encoders_are_refused(folders):
    data, cache = folders
    table(data / "lfw.parquet", ["a"])
    table(data / "jaffe.parquet", ["b"], encoder="other")
    templates = FaceTemplates(data, cache)
    templates.faces("lfw")
    with pytest.raises(InputError, match="all tables need one encoder"):
        templates.faces("jaffe")


def test_missing_folder_table_and_label_are_named(folders, monkeypatch):
    data, cache = folders
    monkeypatch.delenv("SFUMATO_DATA", raising=False)
    with pytest.raises(InputError, match="give --data FOLDER, or set SFUMATO_DATA"):
        FaceTemplates()
    with pytest.raises(InputError, match="no such data folder"):
        FaceTemplates(data / "nothing")
    monkeypatch.setenv("SFUMATO_DATA", str(data.parent))
    with pytest.raises(InputError, match=r"jaffe.parquet is missing; .*zenodo"):
        FaceTemplates(cache=cache).faces("jaffe")
    table(data / "jaffe.parquet", ["a"])
    with pytest.raises(InputError, match="unknown label column 'expression'"):
        FaceTemplates(cache=cache).faces("jaffe", "expression")


def test_rows_with_missing_labels_are_left_out():
    labels = {"gender": np.array(["f", None, "m"], object), "age": np.array([1.0, 2.0, np.nan])}
    faces = Faces(np.arange(6.0).reshape(3, 2), labels, "cosine")
    assert faces.known("gender")["age"].tolist()[0] == 1.0 and len(faces.known("gender")) == 2
    assert faces.known("gender", "age").X.tolist() == [[0.0, 1.0]]


def test_photos_of_all_parts_are_decoded_once(folders):
    Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")
    pytest.importorskip("cv2", reason="needs the extra faces")
    import io

    import pyarrow as pa

    data, cache = folders
    for part, names in enumerate((["a", "b"], ["c"])):
        photos = []
        for name in names:
            stream = io.BytesIO()
            Image.new("RGB", (8, 8), (10 * ord(name) - 960, 0, 0)).save(stream, "PNG")
            photos.append({"bytes": stream.getvalue(), "path": name})
        columns = {"image_id": names, "gender": ["f"] * len(names)}
        batch = table_batch(columns | {"image": pa.array(photos, IMAGE)})
        write_table(data / f"x-{part}.parquet", [batch], batch.schema, TableInfo(source="x"))
    templates = FaceTemplates(data, cache)
    images, labels = templates.photos("x", 64)
    assert images.shape == (3, 64, 64, 3)
    assert images[np.array([2, 0])][:, 0, 0, 0].tolist() == [30, 10]
    assert labels["image_id"].tolist() == ["a", "b", "c"] and len(labels["gender"]) == 3
    before = templates.seconds
    templates.photos("x", 64)
    assert templates.seconds == before > 0
    with pytest.raises(InputError, match=r"utkface.parquet is missing"):
        templates.photos("utkface", 64)
