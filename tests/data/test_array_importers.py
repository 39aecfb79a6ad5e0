"""Embeddings in .npz and .csv files go in whole, bad rows come out with their reason."""

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.data.importers import import_arrays, import_csv, import_faces
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError


def rows(path):
    return {row["image_id"]: row for row in pq.read_table(path).to_pylist()}


def reasons(done):
    return [] if done.rejects is None else pq.read_table(done.rejects).to_pylist()


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_arrays_round_trip_in_chunks(tmp_path, monkeypatch, rng):
    monkeypatch.setattr("sfumato.data.importers.arrays.ROW_GROUP", 7)
    X = rng.standard_normal((20, 3))
    path = save(
        tmp_path / "a.npz",
        embedding=X,
        image_id=np.array([f"p{i}" for i in range(20)]),
        identity=np.arange(20) // 2,
        gender=np.array(["f", "m"] * 10),
        age_years=np.arange(20.0),
    )
    options = {"encoder": "mine", "encoder_version": "2", "metric": "euclidean"}
    done = import_faces("arrays", path, tmp_path / "t.parquet", options)
    table = FaceTable(done.output).check()
    np.testing.assert_array_equal(table.embeddings(), X.astype(np.float32))
    assert table.column("image_id")[7] == "p7" and table.column("identity")[7] == "3"
    assert table.label_columns == ["gender", "age_years"]
    np.testing.assert_array_equal(table.column("age_years"), np.arange(20.0))
    assert table.info.space == "mine / 2 / 3-d" and table.info.metric == "euclidean"


def test_arrays_bad_rows(tmp_path):
    X = np.eye(6, 4, dtype=np.float32) + [[0, 0, 0, 1e-5]]
    X[1, 0], X[2, 0], X[3] = np.nan, np.inf, 2
    X[4:] = [0, 0, 0, 1]
    path = save(tmp_path / "a.npz", embedding=X, image_id=np.array(["a", "b", "c", "d", "e", "a"]))
    done = import_faces("arrays", path, tmp_path / "t.parquet", {"normalisation": "l2"})
    assert list(rows(done.output)) == ["a", "e"]
    assert [(r["path"], r["reason"]) for r in reasons(done)] == [
        ("row 1", "embedding has a value that is no finite number"),
        ("row 2", "embedding has a value that is no finite number"),
        ("row 3", "embedding has length 4, not 1"),
        ("row 5", "image_id is already used in an earlier row"),
    ]


def test_arrays_without_ids_count(tmp_path):
    done = import_faces(
        "arrays", save(tmp_path / "a.npz", embedding=np.eye(2)), tmp_path / "t.parquet"
    )
    assert list(rows(done.output)) == ["0", "1"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.eye(2)}, "has no array embedding; it has X"),
        ({"embedding": np.eye(2), "gender": np.array(["f"])}, r"gender has shape \(1,\)"),
        ({"embedding": np.eye(2), "gender": np.array(["f", None])}, "Python objects"),
        ({"embedding": np.ones(3)}, r"shape \(n_rows, n_features\)"),
        ({"embedding": np.asfortranarray(np.ones((2, 3)))}, "column order"),
        ({"embedding": np.array([["a"]])}, "must be numbers"),
        ({"embedding": np.full((2, 2), np.nan)}, "no row to import, 2 were rejected"),
    ],
)
def test_arrays_refused(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        import_faces("arrays", save(tmp_path / "a.npz", **arrays), tmp_path / "t.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_arrays_not_an_archive(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(2))
    with pytest.raises(InputError, match="not a .npz archive"):
        import_faces("arrays", tmp_path / "a.npy", tmp_path / "t.parquet")
    with pytest.raises(InputError, match="no such file"):
        import_faces("arrays", tmp_path / "b.npz", tmp_path / "t.parquet")


def test_csv_types_missing_values_and_order_of_features(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text(
        "image_id,identity,e10,e2,age,score,glasses,gender\n"
        "007,01,1.5,2,30,0.5,true,f\n"
        "008,02,-1,3e-1,,1,false,\n"
    )
    done = import_faces("csv", path, tmp_path / "t.parquet", {"prefix": "e", "encoder": "x"})
    table = FaceTable(done.output).check()
    np.testing.assert_array_equal(table.embeddings(), np.float32([[2, 1.5], [0.3, -1]]))
    assert list(table.column("identity")) == ["01", "02"]  # text, not numbers
    kinds = {name: str(table.schema.field(name).type) for name in table.label_columns}
    assert kinds == {"age": "int64", "score": "double", "glasses": "bool", "gender": "string"}
    assert table.column("gender")[1] is None and np.isnan(table.column("age")[1])


def test_csv_bad_rows(tmp_path, monkeypatch):
    path = tmp_path / "e.csv"
    path.write_text(
        "image_id,embedding_0,embedding_1\n"
        "a,1,2\nb,1\nc,x,2\nd,,2\ne,nan,2\n,1,2\na,1,2\nf,3,4\ng,1e99,1\n"
    )
    done = import_faces("csv", path, tmp_path / "t.parquet")
    assert list(rows(done.output)) == ["a", "f"]
    found = [(r["image_id"], r["reason"]) for r in reasons(done)]
    number = "embedding has a value that is no finite number"
    assert found == [
        (None, "has 2 fields, not 3"),
        *[(name, number) for name in "cde"],
        (None, "image_id is missing"),
        ("a", "image_id is already used in an earlier row"),
        ("g", number),
    ]


def test_csv_label_that_does_not_fit_the_first_block(tmp_path, monkeypatch):
    lines = [f"p{i},1,{i}\n" for i in range(600_000)]
    path = tmp_path / "e.csv"
    path.write_text("image_id,embedding_0,age\n" + "".join(lines) + "last,1,old\n")
    done = import_faces("csv", path, tmp_path / "t.parquet")
    assert done.n_rows == 600_000
    assert reasons(done) == [
        {"image_id": "last", "path": "row 600000", "reason": "age: 'old' is no int64"}
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,embedding_0\na,1\n", "needs the columns image_id and embedding_0"),
        ("image_id,e0\na,1\n", "needs the columns image_id and embedding_0"),
        ("", "needs the columns"),
        ("image_id,embedding_0,x,x\na,1,2,3\n", "names a column twice"),
        ("image_id,embedding_0\n", "no row to import, 0 were rejected"),
        ("image_id,embedding_0\na,b\n", "no row to import, 1 were rejected"),
    ],
)
def test_csv_refused(tmp_path, text, message):
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        import_faces("csv", tmp_path / "e.csv", tmp_path / "t.parquet")


def test_csv_not_utf8(tmp_path):
    (tmp_path / "e.csv").write_bytes(b"image_id,n\xe4me\n")
    with pytest.raises(InputError, match="not UTF-8"):
        import_faces("csv", tmp_path / "e.csv", tmp_path / "t.parquet")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_csv_encodings(tmp_path, encoding):
    text = "image_id,identity,embedding_0\nä,Ädä,1\nb,Bob,2\n"
    (tmp_path / "t.csv").write_text(text, encoding=encoding)
    import_csv(tmp_path / "t.csv", tmp_path / "t.parquet")
    table = FaceTable(tmp_path / "t.parquet")
    assert table.column("image_id").tolist() == ["ä", "b"]
    assert table.column("identity").tolist() == ["Ädä", "Bob"]


def test_csv_words_for_missing_values(tmp_path):
    rows = "a,NA,1,yes,1\nb, ,NaN,null,1\nc,n/a,,no,1\nNA,x,2,no,1\n"
    (tmp_path / "t.csv").write_text("image_id,identity,age,hat,embedding_0\n" + rows)
    done = import_csv(tmp_path / "t.csv", tmp_path / "t.parquet")
    table = FaceTable(tmp_path / "t.parquet")
    assert table.column("identity").tolist() == [None, None, None]
    assert table.column("hat").tolist() == ["yes", None, "no"]
    assert table.schema.field("age").type == pa.int64()
    (reject,) = pq.read_table(done.rejects).to_pylist()
    assert reject == {"image_id": None, "path": "row 3", "reason": "image_id is missing"}


def test_arrays_names_are_one_text(tmp_path):
    X = np.ones((4, 2))
    ids, people = np.array([0, 1, 1, 3.0]), np.array([7, np.nan, 7.5, 8])
    np.savez(tmp_path / "t.npz", embedding=X, image_id=ids, identity=people)
    done = import_arrays(tmp_path / "t.npz", tmp_path / "t.parquet")
    table = FaceTable(tmp_path / "t.parquet")
    assert table.column("image_id").tolist() == ["0", "1", "3"] and done.n_rejects == 1
    assert table.column("identity").tolist() == ["7", None, "8"]


@pytest.mark.parametrize("fault", ["flipped", "cut", "short"])
def test_arrays_damaged_archive(tmp_path, fault):
    path = tmp_path / "t.npz"
    np.savez(path, embedding=np.ones((50, 8)), gender=np.array(["m", "f"] * 25))
    content = bytearray(path.read_bytes())
    if fault == "flipped":
        content[300] ^= 1
    if fault == "cut":
        content[40:400] = b""
    path.write_bytes(content)
    if fault == "short":
        header = io.BytesIO()
        np.lib.format.write_array(header, np.ones((50, 8)))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("embedding.npy", header.getvalue()[:-8])
    with pytest.raises(InputError, match="t.npz: damaged, make or copy it again"):
        import_arrays(path, tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()
