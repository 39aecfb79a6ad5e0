"""``batch protect`` of 10,000,000 x 128 templates against a bare read-multiply-write loop.

The table is simulated, the eraser LEACE (one affine map). The bare loop reads the embeddings and
the ids row group by row group, multiplies, and writes, in one process; unlike the job it leaves
what it wrote in the page cache. Before either is timed, what was written before goes to the disk:
the flush of the table would else be counted to whoever comes first. SFUMATO_ROWS takes fewer
rows. Peak memory is the sum over all processes, of what each has for itself (USS), read ten times
a second.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._memory import PeakMemory
from sfumato.data.columns import embedding_array
from sfumato.data.simulate import simulate, write_simulated
from sfumato.data.tables import ROW_GROUP, FaceTable
from sfumato.erasers.leace import LeaceEraser
from sfumato.jobs.protect_templates import ProtectTemplates
from sfumato.jobs.run import run_job
from sfumato.models import SavedModel

N_ROWS = int(os.environ.get("SFUMATO_ROWS", 10_000_000))
PHOTOS = 10


def run():
    """Time the batch job and the bare loop on the same table."""
    few = simulate(2_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.parquet"
        write_simulated(path, N_ROWS // PHOTOS, PHOTOS)
        table = FaceTable(path)
        eraser = LeaceEraser().fit(few["embedding"], few["gender"])
        job = ProtectTemplates(SavedModel(eraser, ("gender",), table.info), table)
        os.sync()
        with PeakMemory() as memory:
            started = time.perf_counter()
            summary = run_job(job, Path(folder) / "out", part_rows=4 * ROW_GROUP)
            seconds = time.perf_counter() - started
        os.sync()
        started = time.perf_counter()
        _bare(eraser, path, Path(folder) / "bare.parquet")
        bare = time.perf_counter() - started
        same = _same(Path(folder) / "out", Path(folder) / "bare.parquet")
    return {
        "n_rows": summary["n_rows"],
        "seconds": seconds,
        "rows_per_second": summary["n_rows"] / seconds,
        "bare_seconds": bare,
        "ratio": seconds / bare,
        "peak_bytes": memory.peak,
        "greatest_difference": same,
    }


def _bare(eraser, path, output):
    X = np.eye(128, dtype=np.float32)
    shift = eraser.transform(np.zeros((1, 128), np.float32))
    W = eraser.transform(X) - shift
    with pq.ParquetFile(path) as file:
        first = file.read_row_group(0, ["image_id", "identity", "race", "embedding"])
        with pq.ParquetWriter(output, first.schema, compression="none") as writer:
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number, first.column_names)
                flat = rows["embedding"].combine_chunks().flatten().to_numpy()
                X = flat.reshape(-1, 128) @ W + shift
                columns = [*rows.columns[:3], pa.chunked_array([embedding_array(X)])]
                writer.write_table(pa.table(columns, names=rows.column_names))


def _same(ours, bare):
    """Return the greatest difference of the first row groups."""
    first = next(FaceTable(ours).batches(["embedding"]))["embedding"].flatten().to_numpy()
    other = pq.ParquetFile(bare).read_row_group(0, ["embedding"])["embedding"]
    other = other.combine_chunks().flatten().to_numpy()
    return float(np.abs(first - other).max())
