"""Do all parts of a job, again where workers died."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sfumato.errors import InputError, SfumatoError, StorageError
from sfumato.jobs.local import Died
from sfumato.outcomes import Progress, reject_of

#: A part whose workers died so often is given up.
ATTEMPTS = 3


@dataclass
class Work:
    """What a process does with the parts that it is given; picklable until the first.

    Parameters
    ----------
    job : Job
    do : callable
        Of a part.
    isolate : bool
        As for the job's ``prepare``.
    """

    job: Any
    do: Callable
    isolate: bool
    _ready: bool = field(default=False, init=False, repr=False)

    def __call__(self, part: Any) -> Any:
        """Do a part, with the job prepared in this process."""
        if not self._ready:
            self.job.prepare(isolate=self.isolate)
            self._ready = True
        return self.do(part)


def run_parts(job: Any, do: Callable[..., Any], parts: list[Any], runner: Any) -> Iterator[Any]:
    """Yield ``(part, result)`` of every part, as they end.

    A part whose worker dies is done again, then with its photos isolated: one that crashes its
    process becomes a reject.

    Parameters
    ----------
    job : Job
    do : callable
        Of a part; picklable.
    parts : list of Part
    runner : Here, Local or OnRay

    Raises
    ------
    InputError, SfumatoError
        At the end, if a part failed; or if workers die again and again at the same parts.
    StorageError
        At once, if the disk is full or fails.
    """
    left, failures, fruitless = list(parts), [], 0
    while left:
        ended = set()
        work = Work(job, do, isolate=fruitless > 0)
        with contextlib.closing(runner.run(work, left)) as results:
            for part, result, failure in results:
                if isinstance(failure, Died):
                    continue
                ended.add(part.number)
                if isinstance(failure, StorageError):
                    raise failure  # The others would meet it, too.
                if failure is None:
                    yield part, result
                else:
                    failures.append(failure)
        fruitless = 1 if ended else fruitless + 1
        # From the other end: a part that kills its worker must not keep the others waiting.
        left = [part for part in left if part.number not in ended][::-1]
        if left and fruitless == ATTEMPTS:
            raise SfumatoError(
                f"workers died in {ATTEMPTS} attempts at {len(left)} of {len(parts)} parts; the "
                "others are kept, run it again to go on."
            )
    if failures:
        kind = InputError if isinstance(failures[0], InputError) else SfumatoError
        if len(parts) == 1 and isinstance(failures[0], SfumatoError):
            raise failures[0]
        raise kind(
            f"{len(failures)} of {len(parts)} parts failed, the first with: "
            f"{reject_of(failures[0]).reason}; the others are kept, run it again to go on."
        ) from failures[0]


def collect(
    job: Any, do: Any, parts: Any, runner: Any, progress: Progress | None = None
) -> list[Any]:
    """Return what ``do`` gives for each part, in the order of the parts.

    Parameters
    ----------
    job, do, parts, runner
        As for :func:`run_parts`.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.
    """
    total, done, results = sum(part.n_rows for part in parts), 0, {}
    for part, result in run_parts(job, do, parts, runner):
        results[part.number] = result
        done += part.n_rows
        if progress is not None:
            progress(done, total, job.what)
    return [results[part.number] for part in parts]
