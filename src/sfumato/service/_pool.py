"""Worker processes: a request that takes too long, or crashes its worker, harms no other."""

import asyncio
import multiprocessing
import threading
from concurrent.futures import TimeoutError as TimedOut

from sfumato.errors import InputError, SfumatoError
from sfumato.service import work
from sfumato.validation import need

MOST_JOBS = 20


class Busy(SfumatoError):
    """Too many requests wait already."""


class TookTooLong(SfumatoError):
    """The work was cut off at its time limit."""


class WorkPool:
    """Processes that have the models loaded.

    Parameters
    ----------
    models : Models
    workers : int
        Processes.
    waiting : int
        Requests that may wait for a process; more are refused.
    seconds : float
        Time limit of a request's work.

    Attributes
    ----------
    progress : array of float
        How far long jobs are, by their slot, in [0, 1].
    """

    def __init__(self, models, *, workers, waiting, seconds):
        pebble = need("pebble", "serve")
        # A fork would copy the locks of the threads of OpenCV and ONNX Runtime.
        context = multiprocessing.get_context("spawn")
        self.progress = context.Array("d", MOST_JOBS)
        self._pool = pebble.ProcessPool(
            workers,
            initializer=_start,
            initargs=(models, self.progress),
            context=context,
        )
        self._limit, self._seconds = workers + waiting, seconds
        self._lock = threading.Lock()
        self.n_running = 0

    async def run(self, function, *args, seconds=None):
        """Return ``function(*args)`` of :mod:`sfumato.service.work`, done by a worker.

        Raises
        ------
        Busy, TookTooLong
        InputError
            What the function raised.
        SfumatoError
            If the worker died.
        """
        with self._lock:
            if self.n_running >= self._limit:
                raise Busy("too many requests wait; try again in a few seconds.")
            self.n_running += 1
        limit = seconds or self._seconds
        try:
            future = self._pool.schedule(function, args, timeout=limit)
            return await asyncio.wrap_future(future)
        except TimedOut as error:
            raise TookTooLong(f"the work took more than {limit:g} s.") from error
        except (InputError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise SfumatoError(f"the work failed ({type(error).__name__}).") from error
        finally:
            with self._lock:
                self.n_running -= 1

    async def warm_up(self, seconds=120.0):
        """Wait until a worker has its models; return what they can do."""
        return await self.run(work.ready, seconds=seconds)

    def close(self, seconds=10.0):
        """Let the running work end, then stop the processes."""
        self._pool.close()
        try:
            self._pool.join(seconds)
        except TimedOut:
            self._pool.stop()
            self._pool.join()


def _start(models, progress):
    import signal

    # Ctrl-C goes to the whole group; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work.load(models, progress)
