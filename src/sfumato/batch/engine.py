"""Run a batch job by Daft: on this machine's cores, or on a Ray cluster.

Workers have loaded the job's models once and do a part at a time; a worker writes its part itself
(:mod:`sfumato.batch.folder`), so that what it did stays done whatever becomes of it, of the
others, or of us. On a cluster the workers are Daft's, which hands the parts out. Here they are
processes of our own, which start while Daft is imported and need no Daft themselves; Daft
collects what they did.
"""

import contextlib
import json
import os
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from sfumato.batch.folder import BatchFolder
from sfumato.batch.parts import Part
from sfumato.errors import InputError, SfumatoError
from sfumato.faces.workers import WorkerPool, n_cores
from sfumato.validation import check_choice, need

RUNNERS = ("native", "ray")
#: A part whose workers died so often is given up.
ATTEMPTS = 3
PARTITIONS = 64
DIED = "a worker process ended abruptly"
_started: list[str] = []
#: By number, as Daft pickles what it calls even in this process.
_futures: dict[int, dict] = {}


def run_job(
    job,
    output,
    *,
    part_rows,
    runner="native",
    address=None,
    workers=None,
    overwrite=False,
    progress=None,
):
    """Do every part of a job that is not done yet.

    Parameters
    ----------
    job : ProtectJob, PerturbJob, EmbedJob or DescribeJob
    output : str or Path
        A folder; with what an earlier run of the same job left there, the job goes on.
    part_rows : int
        Rows or photos of a part.
    runner : {"native", "ray"}, default="native"
        "ray" needs the extra ``ray``, and every machine the same paths.
    address : str, optional
        Of a Ray cluster; default: the one that ``RAY_ADDRESS`` names, or one of this machine
        alone, started for the job.
    workers : int, optional
        Processes; default one a core, of the cluster's with "ray".
    overwrite : bool, default=False
        Throw away what a job of other settings left in the folder.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``, rows or photos.

    Returns
    -------
    dict
        The summary of :meth:`sfumato.batch.folder.BatchFolder.close`, and ``output`` and
        ``seconds``.

    Raises
    ------
    InputError
        For a bad output, runner or number.
    SfumatoError
        If a part fails, after all others were done, or workers die again and again.
    """
    check_choice(runner, RUNNERS, "runner")
    if part_rows < 1 or (workers is not None and workers < 1):
        raise InputError(f"part_rows and workers must be at least 1, got {part_rows}, {workers}.")
    if address is not None and runner != "ray":
        raise InputError("an address is of a Ray cluster; add runner='ray' (--runner ray).")
    started = time.perf_counter()
    parts = job.parts(part_rows)
    folder = BatchFolder(output)
    folder.open(job.settings | {"part_rows": part_rows}, parts, restart=overwrite)
    cluster = Cluster(runner, address, workers)
    _do_all(job, folder, parts, cluster, progress)
    summary = folder.close(parts, job.counts)
    return summary | {"output": str(output), "seconds": time.perf_counter() - started}


@dataclass(frozen=True)
class Cluster:
    """Where the work is done; parameters as of :func:`run_job`."""

    runner: str
    address: str | None
    workers: int | None

    def start(self):
        """Return Daft, on this runner."""
        # Before the first import: nobody is told what runs here.
        os.environ.setdefault("DO_NOT_TRACK", "true")
        os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        daft = need("daft", "batch")
        # Daft takes one runner a process.
        known = _started[0] if _started else None
        if known not in (None, self.runner):
            raise InputError(
                f"this process has run on {known} already; run on {self.runner} in another."
            )
        if self.runner == "ray":
            options = {"log_to_driver": False, "logging_level": "ERROR"}
            ray = need("ray", "ray")
            if not ray.is_initialized():
                ray.init(self.address, include_dashboard=False, **options)
        if known is None:
            daft.set_runner_native() if self.runner == "native" else daft.set_runner_ray()
            _started.append(self.runner)
        return daft

    def n_workers(self, n_parts):
        """Return how many processes work on so many parts."""
        if self.workers is not None:
            return min(self.workers, n_parts)
        if self.runner == "native":
            return min(n_cores(), n_parts)
        cores = int(need("ray", "ray").cluster_resources().get("CPU", 1))
        return min(max(1, cores), n_parts)


def _do_all(job, folder, parts, cluster, progress):
    """Do what is missing, again while workers die and something gets done."""
    total = sum(part.n_rows for part in parts)
    fruitless = attempts = 0
    while missing := [part for part in parts if not folder.has(part)]:
        # From the other end: a part that kills its worker shall not keep the others waiting.
        missing = missing[:: -1 if attempts % 2 else 1]
        attempts += 1
        failures: list[str] = []
        death = None
        try:
            done = total - sum(part.n_rows for part in missing)
            worker = PartWorker(job, folder, isolate=fruitless > 0)
            with contextlib.closing(_by_daft(worker, missing, cluster)) as ended:
                for part, failure in ended:
                    failures += [failure] if failure else []
                    done += 0 if failure else part.n_rows
                    if progress is not None:
                        progress(done, total, "rows done")
        except RuntimeError as error:
            death = error
        if failures:
            raise SfumatoError(
                f"{folder.path}: {len(failures)} of {len(parts)} parts failed, the first with: "
                f"{failures[0]}; the others are kept, run it again to go on."
            )
        left = sum(not folder.has(part) for part in missing)
        fruitless = fruitless + 1 if left == len(missing) else 1
        if left and fruitless == ATTEMPTS:
            raise SfumatoError(
                f"{folder.path}: workers died in {ATTEMPTS} attempts at {left} parts, the last "
                f"time with: {_in_a_line(death)}; the others are kept, run it again to go on."
            ) from death


def _by_daft(worker, parts, cluster):
    """Yield the parts as they end, with None or the reason why one failed.

    Raises
    ------
    RuntimeError
        If a worker dies.
    """
    with contextlib.ExitStack() as stack:
        if cluster.runner == "native":
            pool = WorkerPool(worker, cluster.n_workers(len(parts)))
            stack.callback(pool.close)
            # All at once: Daft asks for the next ones only when all that it asked for are there.
            _futures[id(pool)] = {part.number: pool.submit([part]) for part in parts}
            stack.callback(_futures.pop, id(pool))
            worker = _Waiting(id(pool))
        daft = cluster.start()
        frame = daft.from_pydict({"part": [json.dumps(vars(part)) for part in parts]})
        if cluster.runner == "ray":
            # What is done is told a partition at a time.
            frame = frame.into_partitions(min(len(parts), PARTITIONS))
        does = _daft_class(daft, worker, cluster, len(parts))()
        frame = frame.select(frame["part"], does.run(frame["part"]).alias("failure"))
        for row in frame.iter_rows():
            if row["failure"] == DIED:
                raise RuntimeError(DIED)
            yield Part.read(json.loads(row["part"])), row["failure"]


def _daft_class(daft, worker, cluster, n_parts):
    """Return the class whose instances Daft runs: in threads here, in processes on a cluster."""

    class Worker:
        @daft.method.batch(return_dtype=daft.DataType.string(), batch_size=1)
        def run(self, parts):
            return [worker(Part.read(json.loads(values))) for values in parts.to_pylist()]

    if cluster.runner == "native":
        # With a number of instances Daft would start processes of its own all the same.
        return daft.cls(Worker, use_process=False)
    return daft.cls(Worker, max_concurrency=cluster.n_workers(n_parts), use_process=True)


class PartWorker:
    """Do a part after the other in one process; picklable until the first.

    Parameters
    ----------
    job, folder
    isolate : bool
        As for the job's ``prepare``.
    """

    def __init__(self, job, folder, *, isolate):
        self.job, self.folder, self.isolate = job, folder, isolate
        self._ready = False

    def __call__(self, part):
        """Do a part; return None, or in a line why it failed."""
        # Another worker may have done it before it was taken for dead.
        if self.folder.has(part):
            return None
        try:
            if not self._ready:
                self.job.prepare(isolate=self.isolate)
                self._ready = True
            self.folder.write(part, self.job.run(part), self.job.schema, self.job.info)
        except SfumatoError as error:
            return _in_a_line(error)
        # One part's failure must not end the others.
        except Exception as error:
            return f"{type(error).__name__}: {_in_a_line(error)}"


class _Waiting:
    """Wait for a part that a pool does, by the pool's number."""

    def __init__(self, number):
        self._number = number

    def __call__(self, part):
        try:
            return _futures[self._number][part.number].result()[0]
        except BrokenProcessPool:
            return DIED


def _in_a_line(error):
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
