"""What is in a gallery: its people, and all of it as a face table."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sfumato.data.tables import write_table
from sfumato.gallery._calibration import Calibration
from sfumato.gallery._folder import FORMAT


def people(store: Any) -> list[Any]:
    """Return each person with ``n_templates`` and when the first and last was enrolled."""
    batches = list(store.scan(["person", "enrolled"]))
    if not batches:
        return []
    rows = pa.Table.from_batches(batches).group_by("person")
    found = rows.aggregate([("enrolled", "count"), ("enrolled", "min"), ("enrolled", "max")])
    return [
        {
            "person": row["person"],
            "n_templates": row["enrolled_count"],
            "first_enrolled": row["enrolled_min"].isoformat(),
            "last_enrolled": row["enrolled_max"].isoformat(),
        }
        for row in found.sort_by("person").to_pylist()
    ]


def count_people(store: Any) -> int:
    """Return how many people a gallery holds."""
    counts: Counter = Counter()
    for batch in store.scan(["person"]):
        counts.update(batch.column("person").unique().to_pylist())
    return len(counts)


def summary(folder: Any, info: Any, index: Any) -> dict[str, Any]:
    """Return what a gallery holds and how it searches, JSON-ready.

    Parameters
    ----------
    folder : Folder
    info : TableInfo
    index : callable
        Returns the record of the store's usable index, or None.
    """
    with folder.reading() as store:
        counts = {"n_templates": store.n_rows, "n_people": count_people(store)}
        record, calibration = index(store), folder.verified_calibration()
        pairs = Calibration.load(calibration).counts if calibration.exists() else None
    about = {"path": str(folder.path), "format": FORMAT, "space": info.space}
    about |= {
        "doubts": info.unlike,
        "metric": info.metric,
        "search": "exact" if record is None else "index",
    }
    more = {"index": record, "calibration": pairs, "bytes": folder.bytes()}
    return about | counts | more


def write_rows(store: Any, output: Any, info: Any) -> Any:
    """Write all rows as a face table, a path or a binary file; return their number."""
    vector = pa.list_(pa.float32(), info.dimension)
    columns = {
        "image_id": pa.string(),
        "identity": pa.string(),
        "embedding": vector,
        "enrolled": pa.string(),
    }
    schema = pa.schema(list(columns.items()))

    def batches():
        for batch in store.scan(["template_id", "person", "vector", "enrolled"]):
            when = pc.strftime(batch.column("enrolled"), "%Y-%m-%dT%H:%M:%SZ")
            arrays = [batch.column(name) for name in ("template_id", "person", "vector")]
            yield pa.RecordBatch.from_arrays([*arrays, when], schema=schema)

    if not hasattr(output, "write"):
        return write_table(output, batches(), schema, info)
    with pq.ParquetWriter(output, schema.with_metadata(info.to_metadata())) as writer:
        for batch in batches():
            writer.write_batch(batch.cast(writer.schema))
    return store.n_rows
