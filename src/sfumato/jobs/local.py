"""Do parts on this machine: in this process, or in processes that may die."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from sfumato._constraints import POSITIVE_INT, Optional, check_argument
from sfumato.errors import SfumatoError


class Died(SfumatoError):
    """The process that did a part ended before the part did."""

    def __init__(self, text: str = "a worker process ended abruptly") -> None:
        super().__init__(text)


def n_cores() -> Any:
    """Return the number of cores that this process may use."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_runner(workers: int | None, n_parts: int) -> Any:
    """Return the runner for so many parts on this machine.

    Parameters
    ----------
    workers : int or None
        Processes; None is one a core. For 1, and for a single part, it is this process.
    n_parts : int
    """
    n_workers = min(check_workers(workers), n_parts)
    return Here() if n_workers <= 1 else Local(n_workers)


def check_workers(workers: int | None) -> Any:
    """Return a number of processes, by default one a core.

    Raises
    ------
    InputError
        If it is below 1.
    """
    check_argument(workers, Optional(POSITIVE_INT), "workers")
    return n_cores() if workers is None else int(workers)


class Here:
    """Do the parts in this process, one after the other; a crash ends it."""

    def run(self, work: Any, parts: Any) -> Iterator[Any]:
        """Yield ``(part, result, None)`` or ``(part, None, exception)`` of each part."""
        for part in parts:
            result = failure = None
            try:
                result = work(part)
            # One part's failure must not end the others.
            except Exception as error:
                failure = error
            yield part, result, failure


class Local:
    """Do the parts in processes of this machine; one that dies is replaced.

    Parameters
    ----------
    n_workers : int, optional
        Processes, at most one a part; default one a core.
    """

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = check_workers(n_workers)

    def run(self, work: Callable[..., Any], parts: list[Any]) -> Iterator[Any]:
        """Yield ``(part, result, None)`` or ``(part, None, exception)`` as the parts end.

        Parameters
        ----------
        work : callable
            Of a part; picklable.
        parts : list

        Raises
        ------
        SfumatoError
            If the processes cannot start.
        """
        waiting = iter(parts)
        running = {}
        with contextlib.ExitStack() as stack:
            processes = [
                stack.enter_context(Process(work)) for _ in range(min(self.n_workers, len(parts)))
            ]
            for process, part in zip(processes, waiting, strict=False):
                running[process.submit(part)] = process, part
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    process, part = running.pop(future)
                    failure = future.exception()
                    if isinstance(failure, BrokenProcessPool):
                        process.restart()
                        failure = Died()
                    # Before its result is looked at: the process has no need to wait.
                    for more in waiting:
                        running[process.submit(more)] = process, more
                        break
                    yield part, None if failure else future.result(), failure


class Process:
    """A process that does one thing after the other, and can be replaced when it died.

    Parameters
    ----------
    work : callable
        Of one argument; picklable.
    """

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work
        self._start()

    def _start(self):
        self._executor = ProcessPoolExecutor(
            1,
            # A fork would copy the locks of the threads of OpenCV and ONNX Runtime.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(self._work,),
        )
        self._pid = self._executor.submit(os.getpid)
        self._last = self._pid

    def submit(self, thing: Any) -> Any:
        """Return the future of ``work(thing)``."""
        try:
            self._last = self._executor.submit(_call, thing)
        except BrokenProcessPool:  # It died with nothing to do.
            self.restart()
            self._last = self._executor.submit(_call, thing)
        return self._last

    def result(self, thing: Any) -> Any:
        """Return ``work(thing)``.

        Raises
        ------
        Died
            If the process did; there is a new one.
        """
        try:
            return self.submit(thing).result()
        except BrokenProcessPool:
            self.restart()
            raise Died from None

    def restart(self) -> None:
        """Start a new process in the place of one that died.

        Raises
        ------
        SfumatoError
            If that one never started: neither would this.
        """
        try:
            self._pid.result()
        except BrokenProcessPool as error:
            raise SfumatoError(
                "worker processes cannot start; in a script, call this below "
                "`if __name__ == '__main__':`, or pass workers=1."
            ) from error
        self._executor.shutdown()
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self._last.done():
            # What it does is whole or not at all; nobody wants to wait for it.
            with contextlib.suppress(BrokenProcessPool, ProcessLookupError):
                os.kill(self._pid.result(), signal.SIGTERM)
        self._executor.shutdown(cancel_futures=True)


# Set once in every worker process.
_work: Callable


def _prepare(work):
    global _work
    _work = work
    # Ctrl-C goes to the whole group; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    limit_threads()


def _call(thing):
    return _work(thing)


def limit_threads() -> None:
    """Let libraries use one thread in this process: processes are the parallelism."""
    # The variable is for libraries that are loaded later, such as torch.
    os.environ["OMP_NUM_THREADS"] = "1"
    with contextlib.suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)
    with contextlib.suppress(ImportError):
        import threadpoolctl

        threadpoolctl.threadpool_limits(1)


def _die_with_parent():
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
