"""``batch protect`` of 10,000,000 x 128 templates against a bare read-multiply-write loop.

The table is simulated, the eraser LEACE (one affine map). The bare loop reads the embeddings and
the ids row group by row group, multiplies, and writes, in one process; unlike the job it leaves
what it wrote in the page cache. Before either is timed, what was written before goes to the disk:
the flush of the table would else be counted to whoever comes first. There are three pairs; the
figures are their medians. SFUMATO_ROWS takes fewer rows. Peak memory is the sum over all
processes, of what each has for itself (USS), read ten times a second.
"""

import os
import shutil
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
PHOTOS, N_PAIRS = 10, 3


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
        pairs = []
        for number in range(N_PAIRS):
            out, bare = Path(folder) / f"out{number}", Path(folder) / "bare.parquet"
            with PeakMemory() as memory:
                seconds = _timed(lambda out=out: run_job(job, out, part_rows=4 * ROW_GROUP))
            pairs.append((seconds, _timed(lambda bare=bare: _bare(eraser, path, bare))))
            same = _same(out, bare)
            shutil.rmtree(out)
    seconds, bare_seconds = np.median(pairs, axis=0).tolist()
    return {
        "n_rows": N_ROWS,
        "seconds": seconds,
        "rows_per_second": N_ROWS / seconds,
        "bare_seconds": bare_seconds,
        "ratio": seconds / bare_seconds,
        "pairs": pairs,
        "peak_bytes": memory.peak,
        "greatest_difference": same,
    }


def _timed(work):
    """Return the seconds of work, begun when all that was written before is on the disk."""
    os.sync()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


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
