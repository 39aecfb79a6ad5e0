"""Tables that a few kilobytes describe and no machine can read are refused by their footers."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

for module in ("fastapi", "pebble", "PIL", "cv2"):
    pytest.importorskip(module, reason="needs the extra serve")

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
            audit_bytes(content, ["gender"], False, 100, 0)
        assert "\n" not in str(refused.value) and "/proc" not in str(refused.value)


def test_memory_that_is_not_there_is_no_damage_of_the_table(monkeypatch):
    def audit_tables(*args, **options):
        raise InputError("table: damaged") from pa.ArrowMemoryError("realloc failed")

    monkeypatch.setattr(audit_work, "audit_tables", audit_tables)
    with pytest.raises(MemoryError):  # Which the pool answers with the limit.
        audit_bytes(content_of(pa.table({"a": [1]})), ["gender"], False, 100, 0)
