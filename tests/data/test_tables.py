"""Face tables round-trip, refuse what breaks a rule, and are never half-written."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sfumato.data.columns import LARGEST
from sfumato.data.info import KEY, TableInfo, check_same_space
from sfumato.data.labels import as_text
from sfumato.data.selection import Selection, selected_batches
from sfumato.data.table_labels import distinct_values
from sfumato.data.tables import (
    FaceTable,
    embedding_array,
    embedding_matrix,
    table_batch,
    write_table,
)
from sfumato.errors import InputError
from sfumato.files import atomic_path

INFO = TableInfo("lfw", "mobilefacenet", "1", 2, "cosine", "l2")
STEP = {"method": "leace", "fingerprint": "abc", "attributes": ["gender"], "version": "0.1.0"}


def write(path, *batches, info=INFO):
    write_table(path, batches, batches[0].schema, info)
    return FaceTable(path)


def batch(n=4, **columns):
    return table_batch({"image_id": [f"p{i}" for i in range(n)], **columns})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.parquet"


def test_round_trip_of_columns_nulls_and_info(path):
    X = np.arange(8.0).reshape(4, 2)
    image = pa.array(
        [{"bytes": b"\xff\xd8", "path": "a.jpg"}, None, {"bytes": None, "path": "b"}, None]
    )
    table = write(
        path,
        batch(
            identity=["a", "a", None, "b"],
            gender=["f", None, "f", "m"],
            age=pa.array([1, None, 3, 4]),
            young=pa.array([True, None, False, True]),
            embedding=X,
            image=image,
        ),
    )
    assert table.info == INFO and table.n_rows == 4
    assert table.label_columns == ["gender", "age", "young"]
    np.testing.assert_array_equal(table.check().embeddings(), X)
    assert list(table.column("gender")) == ["f", None, "f", "m"]
    np.testing.assert_array_equal(table.column("age"), [1, np.nan, 3, 4])
    assert list(table.column("young")) == [True, None, False, True]
    assert table.column("image")[0] == {"bytes": b"\xff\xd8", "path": "a.jpg"}
    assert str(table.schema.field("embedding").type).startswith("fixed_size_list<")


values = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.floats(-LARGEST, LARGEST, width=32),
)
text = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))


@settings(max_examples=40)
@given(st.data(), values)
def test_any_table_round_trips(tmp_path_factory, data, X):
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    labels = data.draw(st.lists(text, min_size=len(X), max_size=len(X)))
    cut = data.draw(st.integers(0, len(X)))
    ids = [f"p{i}" for i in range(len(X))]
    parts = [
        table_batch(
            {
                "image_id": pa.array(ids[a:b], pa.string()),
                "label": pa.array(labels[a:b], pa.string()),
                "embedding": X[a:b],
            }
        )
        for a, b in ((0, cut), (cut, len(X)))
    ]
    table = write(path, *parts, info=TableInfo(dimension=X.shape[1])).check()
    np.testing.assert_array_equal(table.embeddings(), X)
    assert list(table.column("label")) == as_text(labels).tolist()
    assert list(table.column("image_id")) == ids
    seen = list(table.embedding_batches(["image_id"], batch_rows=data.draw(st.integers(1, 9))))
    np.testing.assert_array_equal(np.concatenate([part for _, _, part in seen]), X)
    assert [start for start, _, _ in seen] == np.cumsum(
        [0, *(len(part) for _, _, part in seen)]
    ).tolist()[:-1]


def test_batches_read_only_the_asked_columns(path):
    table = write(
        path,
        batch(3, gender=["f"] * 3, embedding=np.eye(3, 2)),
        batch(2, gender=["m"] * 2, embedding=np.eye(2)),
    )
    got = list(table.batches(["gender"], batch_rows=2))
    assert [b.schema.names for b in got] == [["gender"]] * len(got)
    assert sum(b.num_rows for b in got) == 5 and max(b.num_rows for b in got) == 2
    (first, *_) = table.embedding_batches(["embedding", "gender"])
    assert sorted(first[1].schema.names) == ["embedding", "gender"]
    (first, *_) = table.embedding_batches()
    assert first[1].schema.names == ["image_id", "gender", "embedding"]


def test_batches_refuse_an_unknown_column(path):
    table = write(path, batch(gender=["f"] * 4, age=[1] * 4))
    with pytest.raises(InputError, match="unknown label column 'sex'; it has: gender, age"):
        next(table.batches(["sex"]))
    with pytest.raises(InputError, match="unknown label column 'sex'; it has: gender, age"):
        table.column("sex")
    with pytest.raises(InputError, match="has no column embedding"):
        table.embeddings()
    with pytest.raises(InputError, match="has no column identity"):
        table.require("gender", "identity")
    assert table.require("gender", "age") is table
    with pytest.raises(InputError, match="it has: none"):
        write(path, batch()).require("sex")


def test_rows_compress_where_it_pays_and_nowhere_else(path):
    table = write(
        path,
        batch(gender=["f"] * 4, embedding=np.eye(4, 2)),
        batch(gender=["m"] * 4, embedding=np.eye(4, 2)),
    )
    group = pq.ParquetFile(table.path).metadata.row_group(1)
    found = {
        group.column(i).path_in_schema.split(".")[0]: group.column(i).compression
        for i in range(group.num_columns)
    }
    assert found == {"image_id": "ZSTD", "gender": "ZSTD", "embedding": "UNCOMPRESSED"}


def test_an_empty_table_opens(path):
    table = write(path, batch(0, gender=pa.array([], pa.string()), embedding=np.empty((0, 2))))
    assert table.check().n_rows == 0 and table.embeddings().shape == (0, 2)
    assert table.column("gender").shape == (0,)


def test_a_column_of_a_dictionary_gives_its_values(path):
    gender = pa.array(["f", None, "m", "f"]).dictionary_encode()
    assert list(write(path, batch(gender=gender)).column("gender")) == ["f", None, "m", "f"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"image_id,gender\na,f\n"])
def test_a_file_that_is_no_parquet(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match="t.parquet: not a readable Parquet file"):
        FaceTable(path)


def test_missing_file_folder_and_foreign_parquet(path, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        FaceTable(path)
    with pytest.raises(InputError, match="no Parquet file in this folder"):
        FaceTable(tmp_path)
    pq.write_table(pa.table({"id": [1], "gender": ["f"]}), path)
    with pytest.raises(InputError, match="needs the column image_id; it has id, gender"):
        FaceTable(path)


def test_damaged_data_is_an_input_error(path):
    write(path, batch(4000, embedding=np.random.default_rng(0).normal(size=(4000, 2))))
    content = bytearray(path.read_bytes())
    content[4:600] = b"\xff" * 596  # pages of the first column; the footer stays
    path.write_bytes(content)
    with pytest.raises(InputError, match="t.parquet: damaged"):
        FaceTable(path).check()


def test_duplicate_ids_name_both_rows_across_row_groups(path):
    table = write(path, batch(3), table_batch({"image_id": ["q", "p1"]}))
    with pytest.raises(InputError, match="row 4: image_id 'p1' is already used in row 1"):
        table.check()


def test_missing_id_is_named(path):
    table = write(path, batch(3), table_batch({"image_id": ["q", None]}))
    with pytest.raises(InputError, match="row 4: image_id is missing"):
        table.check()


def bad(kind):
    return {
        "mixed": pa.array([[1.0, 2], [1, 2], [3], [1, 2]]),
        "missing": pa.array([[1.0, 2], [1, 2], None, [1, 2]], pa.list_(pa.float32(), 2)),
        "nan": np.array([[1, 2], [1, 2], [np.nan, 1], [1, 2]]),
        "inf": np.array([[1, 2], [1, 2], [-np.inf, np.inf], [1, 2]]),
        "null inside": pa.array([[1.0, 2], [1, 2], [None, 1], [1, 2]], pa.list_(pa.float32(), 2)),
        "overflow": pa.array([[1.0, 2], [1, 2], [1e300, 1], [1, 2]]),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("mixed", "embedding has 1 features where the table has 2"),
        ("missing", "embedding is missing"),
        ("nan", "NaN or infinite"),
        ("inf", "NaN or infinite"),
        ("null inside", "NaN or infinite"),
        ("overflow", "NaN or infinite"),
    ],
)
def test_bad_embeddings_name_file_and_row(path, kind, message):
    good = np.ones((3, 2)) if kind not in ("mixed", "overflow") else pa.array([[1.0, 1]] * 3)
    first = table_batch({"image_id": ["a", "b", "c"], "embedding": good})
    table = write(path, first, batch(embedding=bad(kind)))
    for read in (table.check, table.embeddings):
        row = "(, row 5)?" if kind == "missing" else ", row 5"  # pyarrow before 26 hides the row
        with pytest.raises(InputError, match=rf"t.parquet{row}: .*{message}"):
            read()


@pytest.mark.parametrize("column", [[1.0, 2.0, 3.0, 4.0], [["a", "b"]] * 4])
def test_embeddings_that_are_no_lists_of_numbers(path, column):
    table = write(path, batch(embedding=pa.array(column)), info=TableInfo(dimension=2))
    with pytest.raises(InputError, match="column embedding must hold lists"):
        table.embeddings()


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float64()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float16(), 2),
        pa.list_(pa.int32()),
    ],
)
def test_every_kind_of_list_is_read_and_its_dimension_found(path, kind):
    column = (
        pa.array([[1, 2], [3, 4]], pa.list_(pa.int32())).cast(pa.list_(pa.float64())).cast(kind)
    )
    pq.write_table(pa.table({"image_id": ["a", "b"], "embedding": column}), path)
    table = FaceTable(path)
    assert table.info == TableInfo(dimension=2)
    np.testing.assert_array_equal(table.embeddings(), [[1, 2], [3, 4]])


def test_a_slice_of_an_embedding_column_is_read_at_its_place():
    column = embedding_array(np.arange(8.0).reshape(4, 2))[1:3]
    np.testing.assert_array_equal(embedding_matrix(column, 2), [[2, 3], [4, 5]])


def test_another_dimension_than_the_metadata_is_refused(path):
    table = write(path, batch(embedding=np.ones((4, 3))), info=INFO)
    with pytest.raises(InputError, match="has 3 features where the table has 2"):
        table.check()


def test_info_says_its_space_and_its_erasers(path):
    after = INFO.transformed(STEP, dimension=2, normalisation="none")
    assert after.space == "mobilefacenet / 1 / 2-d / leace:abc" and INFO.transformations == ()
    assert write(path, batch(embedding=np.eye(4, 2)), info=after).info == after


def test_another_encoders_table_is_refused():
    check_same_space(INFO, INFO, table="t.parquet", model="m")
    for other in (
        TableInfo("lfw", "dlib", "1", 2),
        TableInfo("lfw", "mobilefacenet", "2", 2),
        TableInfo("lfw", "mobilefacenet", "1", 3),
        INFO.transformed(STEP, dimension=2, normalisation="l2"),
    ):
        with pytest.raises(
            InputError, match=r"t.parquet: embeddings of .* cannot go through m"
        ) as e:
            check_same_space(other, INFO, table="t.parquet", model="m")
        assert other.space in str(e.value) and INFO.space in str(e.value)
        assert "embed the photos with that encoder" in str(e.value)
    # The source does not matter: another data set by the same encoder is the point.
    check_same_space(TableInfo("x", "mobilefacenet", "1", 2), INFO, table="t", model="m")


def test_info_refuses_unknown_choices_and_keys():
    with pytest.raises(InputError, match="metric must be one of cosine, euclidean"):
        TableInfo(metric="dot")
    with pytest.raises(InputError, match="normalisation must be one of none, l2"):
        TableInfo(normalisation="l1")
    with pytest.raises(InputError, match="not understood.*colour"):
        TableInfo.from_dict({"colour": 1})
    assert TableInfo.from_metadata(None) == TableInfo.from_metadata({b"x": b"y"}) == TableInfo()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ('{"format": 2}', "has format 2, this version reads 1; update"),
        ("{", "not understood"),
        ("[" * 100_000, "not understood: maximum recursion depth"),
        ("[1]", "not understood"),
        ('{"format": 1, "dimension": [1]}', r"not understood: dimension is \[1\], which is no"),
        ('{"format": 1, "dimension": true}', "not understood: dimension is True"),
        ('{"format": 1, "transformations": null}', "not understood"),
        ('{"format": 1, "transformations": ["leace"]}', "not understood"),
        ('{"format": 1, "transformations": [{"method": "leace"}]}', "not understood"),
    ],
)
def test_metadata_of_another_version_or_damaged(path, raw, message):
    table = pa.table({"image_id": ["a"]}).replace_schema_metadata({KEY: raw.encode()})
    pq.write_table(table, path)
    with pytest.raises(InputError, match=f"t.parquet: .*{message}"):
        FaceTable(path)


def test_metadata_is_json_that_others_can_read(path):
    write(path, batch(embedding=np.eye(4, 2)))
    raw = json.loads(pq.read_schema(path).metadata[KEY])
    assert raw["format"] == 1 and raw["encoder"] == "mobilefacenet" and raw["dimension"] == 2


def test_a_failure_in_the_middle_leaves_the_old_table(path, tmp_path):
    write(path, batch())
    before = path.read_bytes()

    def failing():
        yield batch(2)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_table(path, failing(), batch().schema, INFO)
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_written_files_have_the_usual_permissions(path):
    write(path, batch())
    plain = path.with_name("plain")
    plain.write_bytes(b"")
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_table_can_be_rewritten_from_itself(path):
    table = write(path, batch(5000, gender=["f"] * 5000))
    write_table(path, table.batches(batch_rows=100), table.schema, INFO)
    assert FaceTable(path).check().n_rows == 5000


def test_unusable_outputs_are_input_errors(path, tmp_path):
    with pytest.raises(InputError, match="the folder .* does not exist"):
        write(tmp_path / "none" / "t.parquet", batch())
    path.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write(path, batch())
    assert list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_table(tmp_path):
    # 200,000 rows of 256 features are 205 MB; reading by batch must not hold them all.
    code = """
import resource, sys
import numpy as np
from sfumato.data.tables import *
from sfumato.data.info import TableInfo
X = np.ones((10_000, 256), dtype=np.float32)
def parts():
    for k in range(20):
        yield table_batch({"image_id": [f"{k}-{i}" for i in range(10_000)], "embedding": X})
first = next(parts())
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_table(sys.argv[1], parts(), first.schema, TableInfo(dimension=256))
for start, _, part in FaceTable(sys.argv[1]).embedding_batches(["image_id"], batch_rows=10_000):
    part.sum()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 180


@pytest.mark.parametrize("name, layout", [("a.csv", "csv"), ("a.npz", "arrays")])
def test_files_to_import_are_named_as_such(tmp_path, name, layout):
    (tmp_path / name).write_bytes(b"image_id,embedding_0")
    with pytest.raises(InputError, match=f"no face table; make one: sfumato data import {layout}"):
        FaceTable(tmp_path / name)


def test_values_beyond_float32_are_refused(tmp_path):
    X = np.ones((3, 2), np.float32)
    X[1] = 1e25
    table = write(tmp_path / "t.parquet", batch(3, embedding=X))
    with pytest.raises(InputError, match="t.parquet, row 1: embedding has a value beyond 9e.15"):
        table.check()


def test_a_text_of_over_a_thousand_characters_is_no_name_and_no_label(tmp_path):
    n, path = 70_000, tmp_path / "t.parquet"
    long = "ü" * 1_001
    X = np.ones((n, 2), np.float32)
    for name, row, what in (
        ("image_id", 69_999, "image_id"), ("identity", 65_540, "identity"), ("g", 66_000, "g"),
    ):  # fmt: skip
        columns = {"image_id": [f"i{k}" for k in range(n)], "identity": ["p"] * n, "g": ["m"] * n}
        columns[name][row] = long
        batch = table_batch(columns | {"caption": ["m"] * (n - 1) + [long * 2], "embedding": X})
        write_table(path, [batch.slice(0, 65_536), batch.slice(65_536)], batch.schema, TableInfo())
        says = rf"t.parquet, row {row:}: {what} has 1,001 characters, a name or label at most"
        table = FaceTable(path)
        with pytest.raises(InputError, match=says):
            list(selected_batches(table, Selection(), ["g"]))
        if name == "g":
            with pytest.raises(InputError, match=says):
                distinct_values([table], "g")
            list(table.batches())  # What is carried along may be long.
        else:
            with pytest.raises(InputError, match=says):
                list(table.batches([name], groups=[(0, 1)]))
