"""Tables of one's own, of any layout, are read as face tables, and what was guessed is said."""

import contextlib

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import torch

import sfumato
from sfumato.audit.tables import audit_tables
from sfumato.data.opening import open_table
from sfumato.data.own import Columns, OwnTable
from sfumato.data.tables import FaceTable, embedding_array, table_batch
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.validation import check_embeddings

N, D = 48, 12


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)).astype(np.float32)
    people = [f"p{n // 4}" for n in range(N)]
    return X, people, ["f" if n // 4 % 2 else "m" for n in range(N)]


def wide(X, people, gender, prefix="emb_", **more):
    columns = {f"{prefix}{n}": X[:, n] for n in range(D)}
    return pa.table(more | columns | {"person_id": people, "gender": gender})


def lists(X, people, gender, name="vector"):
    return pa.table({name: embedding_array(X), "subject": people, "gender": gender})


def frames(parts, tmp_path):
    pandas = pytest.importorskip("pandas")
    X, people, gender = parts
    frame = wide(*parts).to_pandas()
    frame.to_parquet(tmp_path / "pandas.parquet")
    yield tmp_path / "pandas.parquet"
    frame.to_csv(tmp_path / "index.csv")  # With a column that has no name.
    yield tmp_path / "index.csv"
    yield frame
    yield pandas.DataFrame({"template": list(X), "identity": people, "gender": gender})


def files(parts, tmp_path):
    X, people, gender = parts
    for name, table in {"wide": wide(*parts), "lists": lists(*parts)}.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
        yield tmp_path / f"{name}.parquet"
        feather.write_feather(table, tmp_path / f"{name}.arrow")
        yield tmp_path / f"{name}.arrow"
    pacsv.write_csv(wide(*parts, prefix=""), tmp_path / "numbers.csv")
    yield tmp_path / "numbers.csv"
    np.savez(tmp_path / "arrays.npz", X=np.asfortranarray(X), person=people, gender=gender)
    yield tmp_path / "arrays.npz"
    tensor = torch.tensor(X, requires_grad=True)
    yield {"embedding": tensor, "identity": np.array(people), "gender": gender}
    yield lists(*parts, name="embeddings")


def test_any_layout_is_the_same_face_table(parts, tmp_path):
    X, people, gender = parts
    n_tried = 0
    for make in (files, frames):
        for source in make(parts, tmp_path):
            table = open_table(source).check()
            assert np.array_equal(table.embeddings(), X), source
            assert list(table.column("identity")) == people
            assert table.label_columns == ["gender"]
            assert list(table.column("gender")) == gender
            n_tried += 1
    assert n_tried == 12


def test_what_was_guessed_is_said(parts):
    assert OwnTable(wide(*parts)).hints == [
        "<table>: using `emb_0` ... `emb_11` as the embedding",
        "<table>: 12 values of `person_id` look like people",
        "<table>: rows are numbered, as no column names them",
    ]
    named = wide(*parts, file=[f"{n}.jpg" for n in range(N)])
    assert "<table>: using `file` as the rows' ids" in OwnTable(named).hints
    assert OwnTable(named).column("image_id")[3] == "3.jpg"


def test_named_columns_are_taken(parts):
    X, people, gender = parts
    table = wide(*parts, other_=gender).append_column("who", pa.array(gender))
    table = table.append_column("second", embedding_array(X[:, :3]))
    found = OwnTable(table, Columns("emb_", "who"))
    assert found.info.dimension == D
    assert set(found.column("identity")) == {"f", "m"}
    assert "person_id" in found.label_columns
    assert OwnTable(table, Columns("second")).info.dimension == 3
    # Two columns of lists, or two groups of numbers, are not chosen between.
    twice = lists(*parts).append_column("other", embedding_array(X))
    assert OwnTable(twice).columns.count("embedding") == 1
    twice = lists(*parts, name="first").append_column("other", embedding_array(X))
    with pytest.raises(InputError, match="could be the embedding.*--embedding COLUMN"):
        OwnTable(twice)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns("nothing"), "`nothing` names neither .* there are emb_ \\(numbered\\)"),
        (Columns(identity="nobody"), "no column nobody; it has emb_0"),
        (Columns(image_id="none"), "no column none"),
    ],
)
def test_a_named_column_must_be_there(parts, columns, message):
    with pytest.raises(InputError, match=message):
        OwnTable(wide(*parts), columns)


def test_a_gap_in_the_features_is_a_line(parts, tmp_path):
    X, people, gender = parts
    X[5, 2] = np.nan
    with pytest.raises(InputError, match="row 5: a feature is missing"):
        OwnTable(wide(X, people, gender))
    numbers = wide(*parts).drop_columns(["emb_4"])
    with pytest.raises(InputError, match="no column, or too many, could be the embedding"):
        OwnTable(numbers)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.npz", b"PK no"),
        ("a.npy", b"x"),
        ("a.arrow", b"ARROW1"),
        ("a.csv", b"\xff"),
    ],
)
def test_damaged_files_are_a_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}"):
        open_table(tmp_path / name)


@pytest.mark.parametrize("ending", ["npz", "npy", "arrow", "feather", "csv", "parquet"])
def test_random_damage_is_a_line_or_no_damage(tmp_path, ending, parts):
    X, people, gender = (values[:30] for values in parts)
    sound, path = tmp_path / f"sound.{ending}", tmp_path / f"a.{ending}"
    columns = {"embedding": list(X), "identity": list(people), "gender": list(gender)}
    {
        "npz": lambda: np.savez_compressed(sound, embedding=X, gender=gender),
        "npy": lambda: np.save(sound, X),
        "arrow": lambda: feather.write_feather(pa.table(columns), sound),
        "feather": lambda: feather.write_feather(pa.table(columns), sound, "uncompressed"),
        "csv": lambda: pacsv.write_csv(wide(X, people, gender), sound),
        "parquet": lambda: pq.write_table(pa.table(columns), sound),
    }[ending]()
    content, rng = sound.read_bytes(), np.random.default_rng(5)
    for number in range(120):
        damaged, at = bytearray(content), int(rng.integers(len(content)))
        if number % 3 == 0:
            del damaged[at:]
        else:  # Headers are at either end.
            at = at if number % 3 == 1 else at % 200 * int(rng.choice([1, -1])) % len(content)
            damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            open_table(path)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy: not a readable table"):
        open_table(tmp_path / "a.npy")


@pytest.mark.parametrize("value", [7, None, [1, 2]])
def test_other_objects_are_a_line(value):
    with pytest.raises(InputError):
        audit_tables(value, ["gender"])


def test_a_face_table_is_read_as_it_was(tmp_path, parts):
    X, people, gender = parts
    batch = table_batch({"image_id": [str(n) for n in range(N)], "embedding": X, "gender": gender})
    pq.write_table(pa.Table.from_batches([batch]), tmp_path / "t.parquet")
    found = open_table(tmp_path / "t.parquet")
    assert type(found) is FaceTable and not found.hints
    assert open_table(found) is found


def test_a_frame_goes_through_fit_protect_and_audit(tmp_path):
    people = sfumato.simulate(260, 4)
    frame = {name: people[name] for name in ("embedding", "gender")} | {"pid": people["identity"]}
    model = sfumato.fit_table("mean-projection", frame, ["gender"], tmp_path / "m")
    assert model.fitted_on["n_rows"] > 100
    found = sfumato.protect_table(model, frame, tmp_path / "out.parquet")
    assert found["n_rows"] == len(people["gender"])
    names = ["logistic regression"]
    result = audit_tables(
        frame, ["gender"], protected=tmp_path / "out.parquet", attackers=names, n_resamples=20
    )[0]
    assert result.before.headline.balanced_accuracy > result.after.headline.balanced_accuracy


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"embedding": np.eye(3), "gender": [object(), "f", "m"]}, "the table: not a readable"),
        ({"embedding": [[1, 2], [3]]}, "the table: not a readable table"),
        (pa.table([[1], [2]], names=["f0", "f0"]), "the table: column f0 is there more than"),
    ],
    ids=["objects", "ragged", "twice"],
)
def test_objects_that_are_no_table_are_refused_in_a_line(source, said):
    with pytest.raises(InputError, match=said):
        open_table(source)


def test_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("f0,f0,gender\n1,2,f\n")
    with pytest.raises(InputError, match="t.csv: column f0 is there more than once"):
        open_table(path)


@pytest.mark.parametrize("kind", [">i4", ">f8", "g"])
def test_numbers_of_other_machines_are_labels(kind):
    table = open_table({"embedding": np.eye(3), "age": np.array([1, 2, 3], dtype=kind)})
    assert table.column("age").tolist() == [1, 2, 3]


def cells(n=30):
    """Return a table with a column a feature, as text."""
    rng = np.random.default_rng(0)
    names = [f"e{number}" for number in range(9)]
    rows = [
        [f"p{row // 2}", *(f"{value:.4f}" for value in rng.normal(size=9))] for row in range(n)
    ]
    return [["who", *names], *rows]


def written(path, rows, delimiter=",", encoding="utf-8", point="."):
    lines = [delimiter.join(cell.replace(".", point) for cell in row) for row in rows]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


@pytest.mark.parametrize(("delimiter", "point"), [(";", "."), (";", ","), ("|", "."), ("\t", ".")])
def test_a_csv_of_a_spreadsheet_is_read_as_any(tmp_path, delimiter, point):
    expected = open_table(written(tmp_path / "a.csv", cells())).embeddings()
    found = open_table(written(tmp_path / "b.csv", cells(), delimiter, "utf-8-sig", point))
    np.testing.assert_array_equal(found.embeddings(), expected)
    assert list(found.column("who")[:2]) == ["p0", "p0"]


def test_a_feature_that_is_no_number_is_not_left_out(tmp_path):
    rows = cells()
    rows[3][1] = "oops"  # Of e0; without it e1 ... e8 would be an embedding.
    with pytest.raises(InputError, match="a.csv, row 2: e0 is 'oops', where numbers stand beside"):
        open_table(written(tmp_path / "a.csv", rows))
    # A label may well have a number in its name.
    rows = [[*row, "e9" if n == 0 else "young"] for n, row in enumerate(cells())]
    table = open_table(written(tmp_path / "b.csv", rows))
    assert table.info.dimension == 9 and "e9" in table.label_columns


def test_lists_as_text_and_other_encodings_name_the_remedy(tmp_path):
    rows = [["who", "embedding"], ["p0", '"[0.1, 0.2]"'], ["p1", '"[0.3, 0.4]"']]
    with pytest.raises(InputError, match="`embedding` holds lists as text, .* write Parquet"):
        open_table(written(tmp_path / "a.csv", rows))
    rows = cells()
    rows[2][0] = "Zo\u00eb"
    with pytest.raises(InputError, match="column who is no UTF-8 text"):
        open_table(written(tmp_path / "b.csv", rows, encoding="latin-1"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(5), r"shape \(n_rows, n_features\), got \(5,\)"),
        (np.ones((1, 5, 2)), r"got \(1, 5, 2\)"),
        (np.float32(1), r"got \(\)"),
        (np.ones((5, 1)), "at least 2 numbers, got 1"),
        (np.ones((5, 0)), r"of shape \(5, 0\)"),
        (np.array([["a", "b"]]), "array embedding is <U1"),
    ],
)
def test_arrays_that_are_no_embeddings_are_refused(tmp_path, values, message):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match=message):
        open_table(tmp_path / "x.npy")


def test_what_is_masked_is_missing_and_a_sparse_matrix_is_filled():
    sparse = pytest.importorskip("scipy.sparse")
    X = np.random.default_rng(0).normal(size=(20, 4))
    table = open_table({"embedding": sparse.csr_matrix(X)})
    np.testing.assert_array_equal(table.embeddings(), X.astype(np.float32))
    hidden = np.ma.masked_array(X, mask=np.arange(80).reshape(20, 4) == 7)
    with pytest.raises(InputError, match="row 1: embedding has a NaN"):
        open_table({"embedding": hidden}).embeddings()
    with pytest.raises(InputError, match="row 1 has a NaN"):
        check_embeddings(hidden)
    with pytest.raises(InputError, match="NaN"):
        LeaceEraser().fit(hidden, np.resize(["a", "b"], 20))
    labels = np.ma.masked_array(np.resize(["a", "b"], 20), mask=np.arange(20) == 3)
    assert open_table({"embedding": X, "sex": labels}).column("sex")[3] is None
    numbers = np.ma.masked_array(np.arange(20), mask=np.arange(20) == 3)
    assert np.isnan(open_table({"embedding": X, "age": numbers}).column("age")[3])


def test_a_frame_whose_columns_are_numbers_and_texts_is_read_without_a_word(recwarn):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.ones((3, 9))).assign(who=["a", "b", "c"])
    assert open_table(frame).info.dimension == 9 and not recwarn
