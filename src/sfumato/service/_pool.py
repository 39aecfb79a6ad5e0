"""Worker processes: a request that takes too long, or crashes its worker, harms no other."""

import asyncio
import functools
import logging
import math
import multiprocessing
import os
import threading
import time
from concurrent.futures import TimeoutError as TimedOut

from sfumato.errors import InputError, SfumatoError, StorageError
from sfumato.service import work
from sfumato.service._line import Line, Spent
from sfumato.service.limits import Refused
from sfumato.validation import need

LOG = logging.getLogger("sfumato.service")
MOST_JOBS = 20
#: Of processes that audit: whatever else is asked goes first.
NICE = 5


class TookTooLong(SfumatoError):
    """The work was cut off at its time limit."""


class WorkPool:
    """Processes that have the models loaded.

    Parameters
    ----------
    models : Models
    limits : Limits
    workers : int
        Processes; they start with the first work.
    waiting : int
        Requests that may wait for a process; more are refused.
    seconds : float
        Time limit of a request's work.
    for_audits : bool
        Load only what audits need, and leave the processors to others.

    Attributes
    ----------
    line : Line
        Callers before the processes.
    progress : array of float
        How far long jobs are, by their slot, in [0, 1].
    """

    def __init__(self, models, limits, *, workers, waiting, seconds, for_audits=False):
        # A fork would copy the locks of the threads of OpenCV and ONNX Runtime.
        context = multiprocessing.get_context("spawn")
        self.progress = context.Array("d", MOST_JOBS)
        self._make = functools.partial(
            need("pebble", "serve").ProcessPool,
            workers,
            initializer=_start,
            initargs=(models, self.progress, limits.work_bytes, for_audits),
            context=context,
        )
        self._pool, self._is_closed = self._make(), False
        self._seconds, self._n_bytes = seconds, limits.work_bytes
        share = limits.worker_seconds or 30.0 * workers
        self._spent = Spent(math.inf if for_audits else share)
        self.line = Line(workers, waiting, self._spent)

    @property
    def n_running(self):
        """Work in and before the processes."""
        return self.line.n_places - self.line.n_free + self.line.n_waiting

    async def run(self, function, *args, caller="", seconds=None):
        """Return ``function(*args)`` of :mod:`sfumato.service.work`, done by a worker.

        Raises
        ------
        Busy, TookTooLong
        InputError, StorageError
            What the function raised.
        Refused
            429 for a caller who took too much; 413 for work that needs too much memory.
        SfumatoError
            If the worker died.
        """
        self._spent.check(caller)
        await self.line.enter(caller)
        limit, started = seconds or self._seconds, time.monotonic()
        try:
            return await asyncio.wrap_future(self._schedule(function, args, limit))
        except TimedOut as error:
            raise TookTooLong(f"the work took more than {limit:g} s.") from error
        except MemoryError as error:
            most = f"{self._n_bytes:,} bytes of memory"
            raise Refused(413, f"the work needs more than the limit of {most}.") from error
        except (InputError, StorageError, Refused, asyncio.CancelledError):
            raise
        except Exception as error:
            raise SfumatoError(f"the work failed ({type(error).__name__}).") from error
        finally:
            self._spent.add(caller, time.monotonic() - started)
            self.line.leave(caller)

    def _schedule(self, function, args, limit):
        try:
            return self._pool.schedule(function, args, timeout=limit)
        except RuntimeError:
            if self._is_closed:
                raise
        # A process that had no work was killed, and its pool takes nothing for that.
        LOG.error("a worker process was killed; all are started anew.")
        self._pool.stop()
        threading.Thread(target=self._pool.join, daemon=True).start()
        self._pool = self._make()
        return self._pool.schedule(function, args, timeout=limit)

    async def warm_up(self, seconds=120.0):
        """Wait until a worker has its models; return what they can do."""
        return await self.run(work.ready, seconds=seconds)

    def close(self, seconds=10.0):
        """Let the running work end, then stop the processes."""
        self._is_closed = True
        self._pool.close()
        try:
            self._pool.join(seconds)
        except TimedOut:
            self._pool.stop()
            self._pool.join()


def _start(models, progress, n_bytes, for_audits):
    import resource
    import signal

    # Ctrl-C goes to the whole group; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if for_audits:
        os.nice(NICE)
    work.load(models, progress, for_audits=for_audits)
    # A file that unpacks to more than the machine has ends its own work, nobody else's.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (work.data_bytes() + n_bytes, hard))
