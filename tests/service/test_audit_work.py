"""Tables that a few kilobytes describe and no machine can read are refused by their footers."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

for module in ("fastapi", "pebble", "PIL", "cv2"):
    pytest.importorskip(module, reason="needs the extra serve")

from sfumato.data.columns import embedding_array  # noqa: E402
from sfumato.data.info import TableInfo  # noqa: E402
from sfumato.errors import InputError  # noqa: E402
from sfumato.service import audit_work  # noqa: E402
from sfumato.service.audit_work import audit_bytes  # noqa: E402


def content_of(table, **options):
    content = io.BytesIO()
    pq.write_table(table, content, **options)
    return content.getvalue()


def test_a_table_of_too_many_parts_gets_one_line():
    few = pa.table({"a": pa.nulls(20_001)})
    long = pa.FixedSizeListArray.from_arrays(pa.nulls(50_001_000, pa.int8()).fill_null(0), 50_001)
    for content, message in (
        (content_of(pa.table({"a": pa.nulls(20_000_001)})), "20,000,001 rows are more than"),
        (content_of(pa.table({f"c{n}": [1] for n in range(2_001)})), "2,001 columns are more"),
        (content_of(few, row_group_size=1), "20,001 row groups are more than the limit of 20,000"),
        (content_of(pa.table({"a": long})), "50,001,000 numbers in 65,536 rows of a column"),
        (b"PAR1" + (17_000_000).to_bytes(4, "little") + b"PAR1", "its footer is over the limit"),
        (b"PAR1", "not a readable Parquet file"),
    ):
        with pytest.raises(InputError, match=message) as refused:
            audit_bytes(content, ["gender"], False, 100, False, 0)
        assert "\n" not in str(refused.value) and "/proc" not in str(refused.value)


def test_memory_that_is_not_there_is_no_damage_of_the_table(monkeypatch):
    def audit_tables(*args, **options):
        raise InputError("table: damaged") from pa.ArrowMemoryError("realloc failed")

    monkeypatch.setattr(audit_work, "audit_tables", audit_tables)
    with pytest.raises(MemoryError):  # Which the pool answers with the limit.
        audit_bytes(content_of(faces()), ["gender"], False, 100, False, 0)


def faces(dimension=8, n=2_500, **columns):
    X = np.random.default_rng(0).standard_normal((n, dimension), dtype=np.float32)
    ids, people = [f"i{row}" for row in range(n)], [f"p{row // 2}" for row in range(n)]
    plain = {"image_id": ids, "identity": people, "gender": ["m", "f"] * (n // 2)} | columns
    table = pa.table(plain | {"embedding": embedding_array(X)})
    return table.replace_schema_metadata(TableInfo(dimension=dimension).to_metadata())


def few_long(n_texts, n=2_500):
    """Return a column of a million characters a row, of which a file holds n_texts."""
    texts = pa.array([chr(97 + number) * 1_000_000 for number in range(n_texts)])
    return pa.DictionaryArray.from_arrays(pa.array(np.arange(n) % n_texts), texts)


def test_texts_of_a_million_characters_are_refused_before_they_are_unpacked():
    for columns, attribute, message in (
        ({"gender": few_long(2)}, "gender", "row 0: gender has 1,000,000 characters, a name or"),
        ({"identity": few_long(20)}, "gender", "column identity has 8,0.. bytes a row; a name or"),
        ({"image_id": few_long(2)}, "gender", "row 0: image_id has 1,000,000 characters"),
    ):
        content = content_of(faces(**columns), compression="zstd")
        assert len(content) < 200_000
        before = pa.default_memory_pool().max_memory()
        with pytest.raises(InputError, match=message):
            audit_bytes(content, [attribute], False, 100, False, 0)
        assert pa.default_memory_pool().max_memory() <= max(before, 100_000_000)


def test_more_embeddings_than_fit_are_refused_with_what_would_fit():
    content = content_of(faces(dimension=6_000))
    message = "2,500 rows of 6,000 numbers are more.*12,000,000; ask for max_rows of at most 2,000"
    with pytest.raises(InputError, match=message):
        audit_bytes(content, ["gender"], False, 200_000, False, 0)
