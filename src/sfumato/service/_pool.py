"""Worker processes: a request that takes too long, or crashes its worker, harms no other."""

import asyncio
import errno
import functools
import logging
import math
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import TimeoutError as TimedOut

from sfumato.errors import InputError, SfumatoError, StorageError
from sfumato.service import work
from sfumato.service._line import Line, Spent
from sfumato.service._room import NeedsRoom, with_room
from sfumato.service.limits import Refused
from sfumato.validation import need

LOG = logging.getLogger("sfumato.service")
MOST_JOBS = 20
#: Places for the numbers of processes, many times as many as there are processes.
PLACES = 4096
#: What the system says of a disk, or a quota, that is full.
FULL = (errno.ENOSPC, errno.EDQUOT)
#: Seconds after which to try again what a killed worker did: it loads its models anew.
AFTER_KILL = 10
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
        self._n_bytes = limits.audit_work_bytes if for_audits else limits.work_bytes
        # Without a lock, with which a process might be killed.
        self._loaded = context.RawArray("i", PLACES)
        self._make = functools.partial(
            need("pebble", "serve").ProcessPool,
            workers,
            initializer=_start,
            initargs=(models, (self.progress, self._loaded), self._n_bytes, for_audits),
            context=context,
        )
        self._pool, self._is_closed = self._make(), False
        self._seconds = seconds
        share = limits.worker_seconds or 30.0 * workers
        self._spent = Spent(math.inf if for_audits else share)
        self.line = Line(workers, waiting, self._spent)
        self._room = Line(1, waiting, self._spent)

    @property
    def n_running(self):
        """Work in and before the processes."""
        return self.line.n_places - self.line.n_free + self.line.n_waiting + self._room.n_waiting

    @property
    def n_loaded(self):
        """Processes that live and have their models; those that were killed start again."""
        if not self._is_closed and not self._pool.active:
            self._renew()
        alive = {child.pid for child in multiprocessing.active_children()}
        return len(alive & set(self._loaded))

    @property
    def n_free(self):
        """Processes that have their models and no work."""
        n_busy = self.line.n_places - self.line.n_free
        return max(0, min(self.line.n_free, self.n_loaded - n_busy))

    async def run(self, function, *args, caller="", seconds=None):
        """Return ``function(*args)`` of :mod:`sfumato.service.work`, done by a worker.

        Raises
        ------
        Busy, TookTooLong
        InputError, StorageError
            What the function raised.
        Refused
            429 for a caller who took too much; 413 for work that needs too much memory; 503 if
            the worker was killed, such as by a machine without memory.
        SfumatoError
            If the worker died of the work.
        """
        self._spent.check(caller)
        try:
            return await self._run(function, *args, caller=caller, seconds=seconds)
        except NeedsRoom:
            await self._room.enter(caller)
        try:
            return await self._run(with_room, function, *args, caller=caller, seconds=seconds)
        finally:
            self._room.leave(caller)

    async def _run(self, function, *args, caller, seconds):
        await self.line.enter(caller)
        limit, started = seconds or self._seconds, time.monotonic()
        try:
            return await asyncio.wrap_future(self._schedule(function, args, limit))
        except TimedOut as error:
            raise TookTooLong(f"the work took more than {limit:g} s.") from error
        except MemoryError as error:
            most = f"{self._n_bytes:,} bytes of memory"
            raise Refused(413, f"the work needs more than the limit of {most}.") from error
        except (InputError, StorageError, Refused, NeedsRoom, asyncio.CancelledError):
            raise
        except Exception as error:
            raise _say_failure(error) from error
        finally:
            self._spent.add(caller, time.monotonic() - started)
            self.line.leave(caller)

    def _schedule(self, function, args, limit):
        try:
            return self._pool.schedule(function, args, timeout=limit)
        except RuntimeError:
            if self._is_closed:
                raise
        self._renew()
        return self._pool.schedule(function, args, timeout=limit)

    def _renew(self):
        """Start all processes anew: one was killed without work, and the pool takes nothing."""
        LOG.error("a worker process was killed; all are started anew.")
        self._pool.stop()
        threading.Thread(target=self._pool.join, daemon=True).start()
        self._pool = self._make()

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


def _say_failure(error):
    """Return what a caller is answered when work ends in an error that nobody raised for them."""
    expired = need("pebble", "serve").ProcessExpired
    if isinstance(error, expired) and error.exitcode == -signal.SIGKILL:
        text = "the worker was killed, such as for lack of memory; try again later."
        return Refused(503, text, AFTER_KILL)
    if isinstance(error, OSError) and error.errno in FULL:
        LOG.error("%s", error)
        return Refused(503, "this service has no room on its disk; tell whoever runs it.", 60)
    return SfumatoError(f"the work failed ({type(error).__name__}).")


def _start(models, shared, n_bytes, for_audits):
    import resource

    progress, loaded = shared
    # Ctrl-C goes to the whole group; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if for_audits:
        os.nice(NICE)
    work.load(models, progress, for_audits=for_audits)
    # A file that unpacks to more than the machine has ends its own work, nobody else's.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (work.data_bytes() + n_bytes, hard))
    loaded[os.getpid() % PLACES] = os.getpid()
