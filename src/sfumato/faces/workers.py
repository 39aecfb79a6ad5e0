"""Embed photos on all cores, in order; a photo that kills a worker is rejected, not fatal."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from sfumato.errors import SfumatoError
from sfumato.faces.photos import read_photo
from sfumato.outcomes import Reject, reject_of

CRASHED = Reject("the reading process crashed on this photo")
NO_IMAGE = Reject("the row has no image")


class FaceEmbedder:
    """Decode, detect, align and encode one photo; picklable if detector and encoder are."""

    def __init__(self, detector, encoder, *, all_faces, max_pixels):
        self.detector, self.encoder = detector, encoder
        self.all_faces, self.max_pixels = all_faces, max_pixels

    def __call__(self, photo):
        """Return embeddings of shape (n_faces, dimension), largest face first, or a Reject.

        Parameters
        ----------
        photo : str, bytes or None
        """
        if photo is None:
            return NO_IMAGE
        try:
            image = read_photo(photo, max_pixels=self.max_pixels)
            faces = self.detector.detect(image)
            if not faces:
                return Reject("no face found")
            chosen = faces if self.all_faces else faces[:1]
            X = np.stack([self.encoder.encode(image, face) for face in chosen])
        # One photo's failure must not end the other million.
        except Exception as error:
            return reject_of(error)
        if not np.isfinite(X).all():
            return Reject("the encoder gave a NaN or infinite value")
        return X


# Set in every worker process, once, by _prepare_worker.
_embedder: FaceEmbedder


def n_cores():
    """Return the number of cores that this process may use."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def embed_in_order(embedder, tasks, *, n_workers=1, pool=None):
    """Yield ``(task, outcomes)`` in the order of the tasks, reading only a few ahead.

    Parameters
    ----------
    embedder : FaceEmbedder
        Or another callable of one photo; picklable for more than one worker.
    tasks : iterable
        Each has ``photos``, a list.
    n_workers : int, default=1
        1 embeds in this process, without protection against crashes.
    pool : WorkerPool, optional
        Of the embedder, to be used and left open; default: one of ``n_workers`` for this call.

    Yields
    ------
    task, list of (ndarray or Reject)
        One outcome a photo, as :class:`FaceEmbedder` returns it.
    """
    if pool is not None:
        yield from _from_pool(pool, tasks)
    elif n_workers == 1:
        for task in tasks:
            yield task, [embedder(photo) for photo in task.photos]
    else:
        pool = WorkerPool(embedder, n_workers)
        try:
            yield from _from_pool(pool, tasks)
        finally:
            pool.close()


def _from_pool(pool, tasks):
    waiting: deque[list] = deque()
    for task in tasks:
        waiting.append([task, pool.submit(task.photos)])
        if len(waiting) >= 4 * pool.n_workers:
            yield _first(pool, waiting)
    while waiting:
        yield _first(pool, waiting)


def _first(pool, waiting):
    """Return the oldest task and its outcomes, mending the pool if a worker died."""
    try:
        outcomes = waiting[0][1].result()
    except BrokenProcessPool:
        # Any task under way may be the culprit's: take them photo by photo.
        pool.restart()
        for entry in waiting:
            if not _succeeded(entry[1]):
                entry[1] = _Done([pool.alone(photo) for photo in entry[0].photos])
        outcomes = waiting[0][1].result()
    task, _ = waiting.popleft()
    return task, outcomes


def _succeeded(future):
    return future.done() and (isinstance(future, _Done) or future.exception() is None)


class _Done:
    """A future that has its result already."""

    def __init__(self, value):
        self._value = value

    def done(self):
        return True

    def result(self):
        return self._value


class WorkerPool:
    """A process pool that can be started again after a worker died.

    Parameters
    ----------
    embedder : FaceEmbedder
        Or another callable of one photo; picklable.
    n_workers : int
    """

    def __init__(self, embedder, n_workers):
        self._embedder, self.n_workers = embedder, n_workers
        self._start()

    def _start(self):
        self._executor = ProcessPoolExecutor(
            self.n_workers,
            # A fork would copy the threads' locks of OpenCV and onnxruntime.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare_worker,
            initargs=(self._embedder,),
        )
        # Tasks start the processes, one each; who submits work waits for the first of them.
        self._first = [self._submit([]) for _ in range(self.n_workers)][0]

    def submit(self, photos):
        """Return the future of the outcomes of some photos.

        Raises
        ------
        SfumatoError
            If the processes cannot start.
        """
        try:
            self._first.result()
        except BrokenProcessPool as error:
            raise SfumatoError(
                "worker processes cannot start; in a script, call this below "
                "`if __name__ == '__main__':`, or, for embed, pass workers=1."
            ) from error
        return self._submit(photos)

    def _submit(self, photos):
        try:
            return self._executor.submit(_embed_task, photos)
        except BrokenProcessPool as error:
            return _Broken(error)

    def restart(self):
        """Start new processes in the place of a pool of which one died."""
        self.close()
        self._start()

    def alone(self, photo):
        """Return one photo's outcome, which is :data:`CRASHED` if it kills its worker."""
        try:
            return self.submit([photo]).result()[0]
        except BrokenProcessPool:
            self.restart()
            return CRASHED

    def close(self):
        """End the processes."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class _Broken(_Done):
    """What a submission to a broken pool gives: its error, when asked."""

    def done(self):
        return False

    def result(self):
        raise self._value


def _prepare_worker(embedder):
    global _embedder
    _embedder = embedder
    # Ctrl-C goes to the whole group; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    limit_threads()


def limit_threads():
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


def _embed_task(photos):
    return [_embedder(photo) for photo in photos]
