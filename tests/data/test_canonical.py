"""Tables of any writer are read in one set of types, and every name has one text."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.data.canonical import text_column
from sfumato.data.labels import as_text
from sfumato.data.selection import Selection, matching_rows, read_rows
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError

N = 4
NAMES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from(["[/x]", "\x1b[31m", "a\nb", "NA", " ", "7", "7.0", "m "]),
)


def write(path, columns, metadata=None):
    ids = columns.pop("image_id", [f"i{k}" for k in range(N)])
    X = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(2.0 * N) + 1), 2)
    table = pa.table({"image_id": ids, "embedding": X} | columns)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return FaceTable(path)


SEVENS = {
    "string": pa.array(["7", "NA", "7", None]),
    "large_string": pa.array(["7", "", "7", None], pa.large_string()),
    "string_view": pa.array(["7", " ", "7", None], pa.string_view()),
    "dictionary": pa.array(["7", "nan", "7", None]).dictionary_encode(),
    "coded integers": pa.array([7, None, 7, None]).dictionary_encode(),
    "int8": pa.array([7, None, 7, None], pa.int8()),
    "uint64": pa.array([7, None, 7, None], pa.uint64()),
    "float16": pa.array(np.array([7, np.nan, 7, np.nan], np.float16)),
    "float": pa.array([7, np.nan, 7, None], pa.float32()),
    "double": pa.array([7, np.nan, 7, None], pa.float64()),
    "decimal": pa.array([Decimal("7.00"), None, Decimal("7.00"), None]),
}


@pytest.mark.parametrize("kind", SEVENS)
def test_seven_is_seven_in_every_type(tmp_path, kind):
    table = write(tmp_path / "t.parquet", {"identity": SEVENS[kind], "race": SEVENS[kind]})
    assert table.column("identity").tolist() == ["7", None, "7", None]
    assert as_text(table.column("race")).tolist() == ["7", None, "7", None]
    assert table.label_columns == ["race"]
    columns, X = read_rows(table, Selection(where="race=7"))
    assert columns["image_id"].tolist() == ["i0", "i2"] and len(X) == 2
    assert len(read_rows(table, Selection(where="race=!7"))[1]) == 2


@pytest.mark.parametrize("value", ["true", "True", "TRUE"])
def test_a_boolean_is_picked_however_it_is_written(tmp_path, value):
    table = write(tmp_path / "t.parquet", {"smiling": [True, False, None, True]})
    assert len(read_rows(table, Selection(where=f"smiling={value}"))[1]) == 2


def test_whole_numbers_are_picked_as_floats_and_integers(tmp_path):
    table = write(tmp_path / "t.parquet", {"a": [0, 1, 2, 2], "b": [0.0, 1.5, 2.0, np.nan]})
    for where, n in (("a=2.0", 2), ("b=2", 1), ("b=2.0", 1), ("b=1.50", 1), ("b=x", 0)):
        picked = [Selection(where=where).mask(batch).sum() for batch in table.batches()]
        assert sum(picked) == n


@given(st.lists(NAMES, max_size=8))
def test_arrow_and_python_agree_on_names(values):
    texts = as_text(values).tolist()
    for kind in (str, bool, int, float):
        part = [value for value in values if value is None or type(value) is kind]
        expected = [text for text, value in zip(texts, values, strict=True) if value in part]
        assert text_column(pa.array(part)).to_pylist() == as_text(part).tolist()
        assert len(expected) >= len(part) or any(value != value for value in part)


@pytest.mark.parametrize("ids", [[0, 1, 2, 3], [0.0, 1.0, 2.0, 3.0]])
def test_ids_may_be_numbers(tmp_path, ids):
    table = write(tmp_path / "t.parquet", {"image_id": ids}).check()
    assert table.column("image_id").tolist() == ["0", "1", "2", "3"]
    found = matching_rows(table, [3, "0", 1.0])
    assert found.tolist() == [[7.0, 8.0], [1.0, 2.0], [3.0, 4.0]]


def test_ids_that_one_text_joins_are_refused(tmp_path):
    ids = pa.array(np.array([2.0**53, 1.0, 2.0**53, 3.0]))
    table = write(tmp_path / "t.parquet", {"image_id": ids})
    with pytest.raises(InputError, match="row 2: image_id '9007199254740992' .* row 0; "):
        table.check_ids()
    table = write(tmp_path / "u.parquet", {"image_id": ["a", "NA", "b", "c"]})
    with pytest.raises(InputError, match="row 1: image_id is missing"):
        table.check_ids()


@pytest.mark.parametrize("name", ["image_id", "identity"])
def test_names_of_other_types_are_refused(tmp_path, name):
    days = pa.array([1, 2, 3, 4], pa.timestamp("us"))
    with pytest.raises(InputError, match=rf"t.parquet: column {name} holds timestamp\[us\]; "):
        write(tmp_path / "t.parquet", {name: days})


@pytest.mark.parametrize("kind", ["list", "time"])
def test_other_columns_are_carried_along_but_are_no_labels(tmp_path, kind):
    tags = {
        "list": pa.array([["a"], ["a"], [], None]),
        "time": pa.array([1, 2, 3, 4], pa.timestamp("s")),
    }[kind]
    table = write(tmp_path / "t.parquet", {"tags": tags, "gender": ["m", "f", "m", "f"]})
    assert table.label_columns == ["gender"]
    assert [batch.column("tags").to_pylist() for batch in table.batches()] == [tags.to_pylist()]
    for refused in (lambda: table.require("tags"), lambda: Selection(where="tags=a").check(table)):
        with pytest.raises(InputError, match="t.parquet: column tags holds .*; labels must be"):
            refused()


def test_embeddings_of_a_tensor_type_are_read(tmp_path):
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(8.0).reshape(4, 2))
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image_id": list("abcd"), "embedding": tensors}), path)
    assert FaceTable(path).check().embeddings().tolist() == np.arange(8.0).reshape(4, 2).tolist()


@pytest.mark.parametrize(
    "image",
    [
        pa.array([{"bytes": b"x", "path": "p"}, None]),
        pa.array([{"path": "p", "bytes": b"x"}, None]),
        pa.array(
            [{"bytes": b"x", "path": "p"}, None],
            pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())]),
        ),
    ],
)
def test_photos_of_other_writers_are_read(tmp_path, image):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image_id": ["a", "b"], "image": image}), path)
    found = [value for batch in FaceTable(path).batches() for value in batch.column(1).to_pylist()]
    assert found == [{"bytes": b"x", "path": "p"}, {"bytes": None, "path": None}] or found == [
        {"bytes": b"x", "path": "p"},
        None,
    ]


@pytest.mark.parametrize(
    "image, expected",
    [
        (pa.array([b"x", None]), {"bytes": b"x", "path": None}),
        (pa.array(["p", None]), {"bytes": None, "path": "p"}),
        (pa.array([{"path": "p"}, None]), {"bytes": None, "path": "p"}),
    ],
)
def test_bare_photos_are_read(tmp_path, image, expected):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image_id": ["a", "b"], "image": image}), path)
    batch = next(FaceTable(path).batches())
    assert batch.column("image").to_pylist() == [expected, {"bytes": None, "path": None}]


def test_long_decimal_names_keep_every_digit(tmp_path):
    # A float has room for 53 bits: all four would be one person.
    names = [Decimal(10**17 + k) for k in range(N)]
    table = write(tmp_path / "t.parquet", {"identity": pa.array(names)})
    assert table.column("identity").tolist() == [str(10**17 + k) for k in range(N)]
