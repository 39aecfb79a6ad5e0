import shutil

import numpy as np
import pyarrow as pa
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.selection import Selection, matching_rows, read_rows
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError


@pytest.fixture
def table(tmp_path):
    n = 300
    batch = table_batch(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "identity": [f"p{k // 3}" for k in range(n)],
            "partition": np.where(np.arange(n) < 200, "train", "test"),
            "embedding": np.arange(n * 2, dtype=np.float32).reshape(n, 2),
        }
    )
    parts = [batch.slice(0, 110), batch.slice(110)]
    write_table(tmp_path / "t.parquet", parts, batch.schema, TableInfo(source="s", dimension=2))
    return FaceTable(tmp_path / "t.parquet")


def test_halves_share_nobody_and_make_the_whole(table):
    eraser, X = read_rows(table, Selection(half="eraser"))
    attacker, Z = read_rows(table, Selection(half="attacker"))
    assert not set(eraser["identity"]) & set(attacker["identity"])
    assert len(X) + len(Z) == 300
    assert sorted([*X[:, 0], *Z[:, 0]]) == list(range(0, 600, 2))


def test_where_and_its_opposite(table):
    train, _ = read_rows(table, Selection(where="partition=train"))
    others, _ = read_rows(table, Selection(where="partition=!train"))
    assert len(train["image_id"]) == 200 and len(others["image_id"]) == 100
    assert set(others["partition"]) == {"test"}


def test_a_sample_keeps_people_whole_and_ignores_the_halves(table):
    columns, _ = read_rows(table, Selection(share=0.5))
    _, counts = np.unique(columns["identity"], return_counts=True)
    assert set(counts.tolist()) == {3} and 30 < len(counts) < 70
    both, _ = read_rows(table, Selection(share=0.5, half="eraser"))
    assert 0 < len(both["image_id"]) < len(columns["image_id"])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("partition", "where must read column=value, got 'partition'"),
        ("colour=red", "unknown label column 'colour'; it has: partition"),
        ("partition=none", "no row is left by partition=none"),
    ],
)
def test_bad_rules_are_refused(table, where, message):
    with pytest.raises(InputError, match=message):
        read_rows(table, Selection(where=where))


def test_rows_are_found_in_any_order(table):
    wanted = ["i250", "i3", "i111"]
    np.testing.assert_array_equal(matching_rows(table, wanted)[:, 0], [500, 6, 222])
    with pytest.raises(InputError, match="1 rows are missing, the first has image_id 'x'"):
        matching_rows(table, ["i1", "x"])


def test_missing_identity_names_the_row(tmp_path):
    batch = pa.RecordBatch.from_pydict(
        {
            "image_id": ["a", "b"],
            "identity": ["x", None],
            "embedding": pa.array([[1.0], [2.0]], pa.list_(pa.float32(), 1)),
        }
    )
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(dimension=1))
    with pytest.raises(InputError, match="t.parquet: identity of row 'b' is missing"):
        read_rows(FaceTable(tmp_path / "t.parquet"), Selection(half="eraser"))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [("age>=14", [14, 90]), ("age>14", [90]), ("age<=14", [3, 14]), ("age<14.5", [3, 14])],
)
def test_numbers_are_compared_and_a_missing_one_never_fulfils(tmp_path, rule, kept):
    batch = pa.RecordBatch.from_pydict(
        {
            "image_id": ["a", "b", "c", "d"],
            "age": pa.array([3, 14, None, 90]),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(np.ones(8, "f4")), 2),
        }
    )
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(dimension=2))
    columns, _ = read_rows(FaceTable(tmp_path / "t.parquet"), Selection(where=rule), ["age"])
    assert columns["age"].tolist() == kept


def test_all_rules_hold_and_text_is_not_compared(table):
    columns, _ = read_rows(table, Selection(where=("partition=train", "partition=!test")))
    assert len(columns["image_id"]) == 200
    with pytest.raises(InputError, match="'partition>3' compares numbers, but partition holds"):
        Selection(where="partition>3").check(table)


def test_a_rule_may_name_its_table(table, tmp_path):
    other = FaceTable(shutil.copy(table.path, tmp_path / "other.parquet"))
    rules = ("t:partition=train", f"{other.path}:partition=test", "partition=!none")
    assert [each.rules for each in Selection(where=rules).each([table, other])] == [
        ("partition=train", "partition=!none"),
        ("partition=test", "partition=!none"),
    ]
    with pytest.raises(InputError, match="no table is called 'tt'; they are t, other"):
        Selection(where="tt:partition=train").each([table, other])
    (tmp_path / "b").mkdir()
    twin = FaceTable(shutil.copy(table.path, tmp_path / "b" / "t.parquet"))
    with pytest.raises(InputError, match=r"2 tables are called 't'; give the path"):
        Selection(where="t:partition=train").each([table, twin])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"half": "Eraser"}, "half must be one of 'attacker', 'eraser', or None, got 'Eraser'"),
        ({"half": 7}, "half must be"),
        ({"where": 7}, "where must be"),
        ({"where": ("a=1", 7)}, "where must be"),
        ({"share": -1}, "share must be"),
        ({"share": "all"}, "share must be"),
        ({"seed": "x"}, "seed must be"),
    ],
)
def test_a_selection_checks_what_it_is_told(values, message):
    # Another word than "eraser" was the attackers' half without a word.
    with pytest.raises(InputError, match=message):
        Selection(**values)


@pytest.fixture
def numbers(tmp_path):
    columns = {
        "image_id": ["a", "b", "c", "d"],
        "age": [30.5, None, 60.0, 20.0],
        "big": [2**53, 2**53 + 1, 2**53 + 2, None],
        "smiling": [True, False, True, None],
        "embedding": np.eye(4),
    }
    batch = table_batch(columns)
    write_table(tmp_path / "n.parquet", [batch], batch.schema, TableInfo(dimension=4))
    return FaceTable(tmp_path / "n.parquet")


@pytest.mark.parametrize(
    "where", ["age=!nan", "age=nan", "age=!old", "age>=nan", "big<old", "smiling=!ture"]
)
def test_a_value_that_the_column_cannot_hold_is_refused(numbers, where):
    # A rule with ! would pick all rows, as though it held.
    with pytest.raises(InputError, match="is no number|holds true or false"):
        read_rows(numbers, Selection(where=where))


@pytest.mark.parametrize(
    ("where", "picked"),
    [
        (f"big>={2**53 + 1}", "bc"),
        (f"big>{2**53 + 1}", "c"),
        (f"big<={2**53}", "a"),
        ("big>=0.5", "abc"),
        ("big<inf", "abc"),
        (f"big<{10**30}", "abc"),
        (f"big>-{10**30}", "abc"),
        ("age<=inf", "acd"),
    ],
)
def test_integers_are_compared_exactly(numbers, where, picked):
    columns, _ = read_rows(numbers, Selection(where=where))
    assert "".join(columns["image_id"]) == picked


def test_halves_of_integers_are_no_integers(tmp_path):
    batch = table_batch({"image_id": list("abc"), "n": [1, 2, 3], "embedding": np.eye(3)})
    write_table(tmp_path / "i.parquet", [batch], batch.schema, TableInfo(dimension=3))
    picked = {
        where: "".join(
            read_rows(FaceTable(tmp_path / "i.parquet"), Selection(where=where))[0]["image_id"]
        )
        for where in ("n>=1.5", "n>1.5", "n<=2.5", "n<2.5", "n>2", "n<2")
    }
    assert picked == {
        "n>=1.5": "bc", "n>1.5": "bc", "n<=2.5": "ab", "n<2.5": "ab", "n>2": "c", "n<2": "a"
    }  # fmt: skip
