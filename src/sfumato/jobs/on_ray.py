"""Do parts on a Ray cluster, whose workers Daft starts, hands the parts to, and replaces."""

import json
import os
from collections.abc import Iterator
from typing import Any

from sfumato.errors import InputError, SfumatoError, StorageError
from sfumato.jobs.local import limit_threads
from sfumato.jobs.parts import Part
from sfumato.validation import need

PARTITIONS = 64
_started: list[str] = []
#: Errors that stay what they are on their way back; others become SfumatoError.
_KINDS = (InputError, StorageError)


class OnRay:
    """Do the parts on a Ray cluster; every machine must have the same paths.

    Needs the extra ``ray``. Results stay with the workers, so it is for work that writes files.
    Whoever reaches a Ray cluster, and has its token where it asks for one, runs any code there, as
    the user of its workers: with their files, models and keys. Keep it in a network of its own.

    Parameters
    ----------
    address : str, optional
        Default: the one that ``RAY_ADDRESS`` names, or a cluster of this machine alone, started
        for the job.
    n_workers : int, optional
        Processes; default one a core of the cluster.
    """

    def __init__(self, address: str | None = None, n_workers: int | None = None) -> None:
        self.address, self.n_workers = address, n_workers

    def run(self, work: Any, parts: Any) -> Iterator[Any]:
        """Yield ``(part, None, None)`` or ``(part, None, exception)`` as the parts end.

        When a worker dies, the parts that had not ended are left out.
        """
        daft, ray = self._start()
        cores = int(ray.cluster_resources().get("CPU", 1))
        n_workers = min(self.n_workers or max(1, cores), len(parts))
        frame = daft.from_pydict({"part": [json.dumps(vars(part)) for part in parts]})
        # Progress is reported a partition at a time.
        frame = frame.into_partitions(min(len(parts), PARTITIONS))
        does = _daft_class(daft, work, n_workers)()
        frame = frame.select(frame["part"], does.run(frame["part"]).alias("failure"))
        try:
            for row in frame.iter_rows():
                yield Part.read(json.loads(row["part"])), None, _failure(row["failure"])
        except RuntimeError:  # A worker died; who asks sees which parts are missing.
            return

    def _start(self):
        """Return Daft, on Ray, and Ray."""
        # Before the first import: nobody is told what runs here.
        os.environ.setdefault("DO_NOT_TRACK", "true")
        os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        daft, ray = need("daft", "ray"), need("ray", "ray")
        if not ray.is_initialized():
            options = {"log_to_driver": False, "logging_level": "ERROR"}
            ray.init(self.address, include_dashboard=False, **options)
        if not _started:  # Daft takes one runner a process.
            daft.set_runner_ray()
            _started.append("ray")
        return daft, ray


def _daft_class(daft, work, n_workers):
    class Worker:
        @daft.method.batch(return_dtype=daft.DataType.string(), batch_size=1)
        def run(self, parts):
            return [_told(work, Part.read(json.loads(values))) for values in parts.to_pylist()]

    return daft.cls(Worker, max_concurrency=n_workers, use_process=True)


def _told(work, part):
    """Do a part; return None, or in JSON why it failed."""
    limit_threads()
    try:
        work(part)
    # One part's failure must not end the others.
    except Exception as error:
        text = "" if isinstance(error, SfumatoError) else f"{type(error).__name__}: "
        kind = next((k.__name__ for k in _KINDS if isinstance(error, k)), "")
        return json.dumps([text + str(error), kind])
    return None


def _failure(told):
    if told is None:
        return None
    text, kind = json.loads(told)
    return next((k for k in _KINDS if k.__name__ == kind), SfumatoError)(text)
