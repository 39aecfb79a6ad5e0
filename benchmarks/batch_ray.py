"""``batch protect`` of 10,000,000 x 128 templates on a local Ray cluster, a worker killed.

``python -m benchmarks batch_ray [N_ROWS]``. The job runs natively, then on a Ray cluster of this
machine; when a third of the parts are done there, one of the processes that do them is killed
(SIGKILL). Every row group of both outputs must be equal, ids and embeddings.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks._memory import family
from sfumato.data.simulate import simulate, write_simulated
from sfumato.data.tables import FaceTable
from sfumato.erasers.leace import LeaceEraser
from sfumato.models import SavedModel, save

N_ROWS, PHOTOS, N_FEATURES = 10_000_000, 10, 128
COMMAND = "from sfumato.cli import main; main()"
#: What Ray calls the processes that run Daft's workers.
ACTOR = "ray::"


def run(n_rows=N_ROWS):
    """Return seconds of both, what was killed when, and whether the outputs are equal."""
    few = simulate(2_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        table, model = Path(folder) / "raw.parquet", Path(folder) / "m.safetensors"
        write_simulated(table, int(n_rows) // PHOTOS, PHOTOS)
        eraser = LeaceEraser().fit(few["embedding"], few["gender"])
        save(SavedModel(eraser, ("gender",), FaceTable(table).info), model)
        native, ray = Path(folder) / "native", Path(folder) / "ray"
        found = {
            "n_rows": FaceTable(table).n_rows,
            "native_seconds": _run(model, table, native)[0],
        }
        found["n_parts"] = len(list(native.glob("part-*.parquet")))
        found["ray_seconds"], found["killed"] = _run(
            model, table, ray, "--runner", "ray", kill_after=found["n_parts"] // 3
        )
        return found | _compared(native, ray)


def _run(model, table, output, *more, kill_after=None):
    """Return the seconds that the job took, and which process was killed after how many parts."""
    words = ["batch", "protect", str(model), str(table), "-o", str(output), *more]
    started, killed = time.perf_counter(), None
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"RAY_worker_niceness": "0"},
        text=True,
    )
    while process.poll() is None:
        n_done = len(list(output.glob("part-*.parquet")))
        if kill_after is not None and killed is None and n_done >= kill_after:
            killed = _kill(process.pid, n_done)
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(process.stderr.read()[-2000:])
    return time.perf_counter() - started, killed


def _kill(pid, n_done):
    """Kill one busy actor of a job's cluster."""
    actors = {p: name for p in family(pid) if (name := _title(p)).startswith(ACTOR)}
    if not actors:
        return None
    busiest = max(actors, key=_ticks)
    os.kill(busiest, signal.SIGKILL)
    return {"process": actors[busiest], "parts_done": n_done}


def _title(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode().strip()
    except OSError:
        return ""


def _ticks(pid):
    """Return a process's time on the processor."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return int(fields[11]) + int(fields[12])


def _compared(native, ray):
    names = sorted(path.name for path in native.glob("part-*.parquet"))
    same = names == sorted(path.name for path in ray.glob("part-*.parquet"))
    rows = 0
    for name in names if same else ():
        with pq.ParquetFile(native / name) as one, pq.ParquetFile(ray / name) as other:
            for number in range(one.num_row_groups):
                a, b = one.read_row_group(number), other.read_row_group(number)
                same = same and a.equals(b)
                rows += a.num_rows
    return {"rows_compared": rows, "equal": same}
