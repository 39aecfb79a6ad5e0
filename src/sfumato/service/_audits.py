"""Audits, which have processes of their own: however many are asked for, photos are not kept."""

import asyncio
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sfumato.errors import SfumatoError
from sfumato.service import audit_work
from sfumato.service._pool import MOST_JOBS
from sfumato.service.limits import Refused

FOUND = ("headlines", "prices", "verdicts", "audits")


@dataclass
class Job:
    """One audit: ``state`` is "running", "done" or "failed"."""

    owner: str
    slot: int
    state: str = "running"
    error: str | None = None
    result: dict = field(default_factory=dict)
    task: Any = None


class Audits:
    """The audits of a service; the oldest finished ones are forgotten when there are too many.

    Parameters
    ----------
    pool : WorkPool
    a_caller : int
        Of one caller that may run or wait.
    """

    def __init__(self, pool, a_caller):
        self._pool, self._a_caller = pool, a_caller
        self._jobs: dict[str, Job] = {}

    def check(self, owner):
        """Refuse an owner who has too many that are not finished.

        Raises
        ------
        Refused
            429.
        """
        running = [job for job in self._jobs.values() if job.state == "running"]
        if sum(job.owner == owner for job in running) >= self._a_caller:
            raise Refused(429, f"{self._a_caller} of your audits run or wait already.", 60)

    def start(self, owner, held, *args):
        """Start an audit of a table's bytes; return its number.

        ``held`` is what the bytes hold of the service's budget, until the audit has ended.
        """
        self.check(owner)
        if len(self._jobs) >= MOST_JOBS:
            self._forget()
        slots = set(range(MOST_JOBS)) - {job.slot for job in self._jobs.values()}
        if not slots:
            raise Refused(503, "too many audits are running; try again later.", 60)
        name, job = secrets.token_urlsafe(12), Job(owner, min(slots))
        self._pool.progress[job.slot] = 0.0
        self._jobs[name] = job
        job.task = asyncio.create_task(self._run(job, held.hand_over(), *args))
        return name

    def describe(self, job):
        """Return a job's JSON form, without the report."""
        done = 1.0 if job.state == "done" else self._pool.progress[job.slot]
        found = {"state": job.state, "progress": round(done, 3), "error": job.error}
        return found | {name: job.result.get(name, []) for name in FOUND}

    def get(self, owner, name):
        """Return an audit of this owner.

        Raises
        ------
        Refused
            404.
        """
        job = self._jobs.get(name)
        if job is None or job.owner != owner:
            raise Refused(404, "no such audit.")
        return job

    def delete(self, owner, name):
        """Forget an audit, and stop it if it is running."""
        self.get(owner, name).task.cancel()
        del self._jobs[name]

    def _forget(self):
        """Forget the oldest finished audit of whoever has most."""
        held = Counter(job.owner for job in self._jobs.values())
        done = [name for name, job in self._jobs.items() if job.state != "running"]
        if done:
            del self._jobs[max(done, key=lambda name: held[self._jobs[name].owner])]

    async def _run(self, job, held, *args):
        try:
            job.result = await self._pool.run(
                audit_work.audit_bytes, *args, job.slot, caller=job.owner
            )
            job.state = "done"
        except (SfumatoError, asyncio.CancelledError) as error:
            job.state, job.error = "failed", str(error) or "stopped"
        finally:
            held.release()
