"""How a worker does a job: claim it, do it batch by batch, end it, and write nothing once it is no longer ours."""

import io
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, func, select, update

from app.core.database import affected_rows, commit, db, rollback, utcnow
from app.core.observability import caused_by
from app.jobs.models import Job, JobInput
from app.jobs.service import announce_later, ended, queued

# A batch takes less than this, or it is not committed: a worker that is silent for so long has lost the job.
LEASE = timedelta(seconds=20)
ATTEMPTS = 3

logger = logging.getLogger(__name__)


@dataclass
class Work:
    """A claimed job, as its handler sees it.

    Attributes:
        job_id: The job.
        owner_id: The user who asked for it.
        done: How many items are done; when a job resumes, those that an earlier attempt has committed.
        total: How many items there are, once that is known.
        result: What the user gets to see; JSON.
    """

    job_id: int
    owner_id: int
    claim: str
    done: int = 0
    total: int | None = None
    result: dict[str, Any] = field(default_factory=dict)

    def open(self) -> io.BufferedReader:
        """Read the input from its beginning; one part of it is in memory at a time."""
        return io.BufferedReader(_Input(self.job_id))


class JobFailed(Exception):
    """The job cannot be done, now or later; the message is for the user who asked for it."""


class _ClaimLost(Exception):
    """The job was cancelled, or another worker has it."""


Handler = Callable[[Work], Iterator[None]]
_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Declare how to do a kind of job.

    The handler is a generator. What it changes in the database, and its progress in `work`, are committed together at
    each `yield`; a job that was interrupted is handed to it again as it was at the last one. If it raises, the job is
    tried again later, three times in all; if it raises `JobFailed`, it fails at once.
    """

    def register(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return register


def run(job_id: int, go_on: Callable[[], bool] = lambda: True) -> None:
    """Do a job, unless another worker does it or it is done.

    Args:
        job_id: The job.
        go_on: Asked after each batch; if it says no, the job goes back to the queue for another worker.
    """
    job = _claim(job_id)
    if job is None:
        return
    work = Work(job.id, job.owner_id, job.claim or "", job.done, job.total, job.result or {})
    with caused_by(job.request_id, job.id):
        logger.info("%s started, attempt %s, at %s", job.kind, job.attempts, job.done)
        try:
            _attempt(job, work, go_on)
        except _ClaimLost:
            rollback()
            logger.info("%s is no longer ours", job.kind)


def _attempt(job: Job, work: Work, go_on: Callable[[], bool]) -> None:
    try:
        outcome = _do(work, _handlers[job.kind], go_on)
        logger.info("%s %s, at %s", job.kind, outcome, work.done)
    except _ClaimLost:
        raise
    except Exception:
        rollback()
        logger.exception("%s broke off in attempt %s", job.kind, job.attempts)
        _save(work, **_after_fault(job.attempts))


def _do(work: Work, handler: Handler, go_on: Callable[[], bool]) -> str:
    try:
        for _ in handler(work):
            _save(work, done=work.done, total=work.total, result=work.result)
            if not go_on():
                announce_later(work.job_id)
                _save(work, **queued(), attempts=Job.attempts - 1)  # nobody's fault, so no attempt
                return "went back to the queue"
    except JobFailed as failure:
        rollback()
        _save(work, **ended("failed", str(failure)))
        return "failed"
    _write(work, **ended("succeeded"), done=work.done, total=work.total, result=work.result)
    # Last, as a cancellation does it: in another order, the two would wait for each other's locks.
    db.session.execute(delete(JobInput).where(JobInput.job_id == work.job_id))
    commit()
    return "succeeded"


def _claim(job_id: int) -> Job | None:
    """Take a job that waits. Of all who try, the UPDATE lets one succeed."""
    now = utcnow()
    taken = affected_rows(
        update(Job)
        # A kind that only a newer release knows waits for a worker of that release.
        .where(Job.id == job_id, Job.status == "queued", Job.kind.in_(_handlers))
        .values(
            status="running",
            claim=uuid4().hex,
            wake_at=now + LEASE,
            attempts=Job.attempts + 1,
            started_at=func.coalesce(Job.started_at, now),
        )
    )
    job = db.session.get(Job, job_id, populate_existing=True) if taken else None
    commit()
    db.session.expunge_all()
    return job


def _save(work: Work, **values: Any) -> None:
    """Commit a batch together with what it means for the job's row, and renew the lease.

    Raises:
        _ClaimLost: the job is not ours any more, and the batch is not committed.
    """
    _write(work, **values)
    commit()
    db.session.expunge_all()  # what the batch has loaded must not pile up


def _write(work: Work, **values: Any) -> None:
    db.session.flush()
    ours = affected_rows(
        update(Job)
        .where(Job.id == work.job_id, Job.status == "running", Job.claim == work.claim)
        .values({"wake_at": utcnow() + LEASE} | values)
    )
    if not ours:
        raise _ClaimLost


def _after_fault(attempts: int) -> dict[str, Any]:
    """Let a job that broke off be tried again, later each time and not all at once, or let it fail."""
    if attempts >= ATTEMPTS:
        return ended("failed", f"It broke off {attempts} times; the server's log says why.")
    pause = timedelta(seconds=2**attempts * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
    return queued() | {"wake_at": utcnow() + pause}


class _Input(io.RawIOBase):
    """A job's input, fetched part by part."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id
        self._next = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            part = select(JobInput.data).where(JobInput.job_id == self._job_id, JobInput.part == self._next)
            self._rest = db.session.scalar(part) or b""
            self._next += 1
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
