"""Runs a job in a worker: claims it, runs its handler batch by batch, and records how the attempt ends."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, func, or_, update

from app.core.database import affected_rows, commit, db, db_now, rollback
from app.core.observability import caused_by
from app.jobs.handlers import Handler, JobFailed, Kind, Work, kinds
from app.jobs.models import Job, JobInput
from app.jobs.service import ended, publish_after_commit, queued

# The job of a worker that commits nothing for so long is lost: another worker may take it.
LEASE = timedelta(seconds=20)
PAUSED = "paused"  # the claim of a queued job that waits after an error

logger = logging.getLogger(__name__)


class _ClaimLost(Exception):
    """The job was cancelled, or another worker has claimed it."""


@dataclass(frozen=True)
class _Outcome:
    """How an attempt ended.

    Attributes:
        text: What the log says.
        changes: What changes in the job's row.
        publish: Whether other workers can go on at once.
        delete_input: Whether the input is not needed any more.
    """

    text: str
    changes: dict[str, Any]
    publish: bool = False
    delete_input: bool = False


def run(job_id: int, go_on: Callable[[], bool] = lambda: True) -> None:
    """Claim a job and run it. Does nothing if the job is not queued.

    Args:
        job_id: The id of the job.
        go_on: Called after each batch. If it returns False, the job goes back to the queue.
    """
    job = _claim(job_id)
    if job is None:
        return
    work = Work(job.id, job.owner_id, job.claim or "", job.args or {}, job.done, job.total, job.result or {})
    with caused_by(job.request_id, job.id):
        logger.info("%s started, attempt %s, at %s", job.kind, job.attempts, job.done)
        try:
            outcome = _attempt(job, work, go_on)
            logger.info("%s %s, at %s", job.kind, outcome.text, outcome.changes.get("done", job.done))
        except _ClaimLost:
            rollback()
            logger.info("%s stopped: it was cancelled, or another worker has it", job.kind)


def _claim(job_id: int) -> Job | None:
    """Claim a queued job that does not pause. If several workers try, the UPDATE succeeds for one."""
    can_start = or_(Job.claim.is_(None), Job.wake_at <= db_now())
    taken = affected_rows(
        update(Job)
        # A kind that only a newer release knows waits for a worker of that release.
        .where(Job.id == job_id, Job.status == "queued", Job.kind.in_(kinds), can_start)
        .values(
            status="running",
            claim=uuid4().hex,
            wake_at=db_now() + LEASE,
            attempts=Job.attempts + 1,
            started_at=func.coalesce(Job.started_at, db_now()),
        )
    )
    job = db.session.get(Job, job_id, populate_existing=True) if taken else None
    _commit()
    return job


def _attempt(job: Job, work: Work, go_on: Callable[[], bool]) -> _Outcome:
    """Run the handler and record the outcome."""
    kind = kinds[job.kind]
    try:
        outcome = _run_handler(job, work, kind.handler, go_on)
        _record(work, outcome)
    except _ClaimLost:
        raise
    except Exception:
        rollback()
        logger.exception("%s raised an error in attempt %s", job.kind, job.attempts)
        outcome = _after_error(kind, job.attempts)
        _record(work, outcome)
    return outcome


def _run_handler(job: Job, work: Work, handler: Handler, go_on: Callable[[], bool]) -> _Outcome:
    """Run the handler to its end, and commit each batch with its progress. `job.done` is that of the last commit."""
    try:
        for _ in handler(work):
            _update(work, **_progress(work))
            _commit()
            job.done = work.done
            if not go_on():
                changes = queued() | {"attempts": Job.attempts - 1}  # an interruption does not count as an attempt
                return _Outcome("went back to the queue", changes, publish=True)
    except JobFailed as failure:
        rollback()
        return _Outcome("failed", ended("failed", str(failure)))
    return _Outcome("succeeded", ended("succeeded") | _progress(work), delete_input=True)


def _after_error(kind: Kind, attempts: int) -> _Outcome:
    """Try the job again after a pause, or let it fail. The pause varies, so that many jobs do not resume together."""
    if attempts >= kind.attempts:
        error = f"Internal error in attempt {attempts} of {kind.attempts}. Quote the id of the job to support."
        return _Outcome("failed", ended("failed", error))
    pause = kind.backoff(attempts) * random.uniform(0.5, 1.5)  # noqa: S311  # not a secret
    return _Outcome(f"waits for attempt {attempts + 1}", queued(wait=pause) | {"claim": PAUSED})


def _record(work: Work, outcome: _Outcome) -> None:
    """Commit the outcome, together with the last batch of a job that succeeded."""
    _update(work, **outcome.changes)
    if outcome.delete_input:
        # After the UPDATE, as in a cancellation: in different orders, the two could deadlock.
        db.session.execute(delete(JobInput).where(JobInput.job_id == work.job_id))
    if outcome.publish:
        publish_after_commit(work.job_id)
    _commit()


def _progress(work: Work) -> dict[str, Any]:
    return {"done": work.done, "total": work.total, "result": work.result}


def _update(work: Work, **changes: Any) -> None:
    """Change the job's row and renew the lease.

    Raises:
        _ClaimLost: The job was cancelled or lost. The caller must not commit.
    """
    db.session.flush()
    is_ours = affected_rows(
        update(Job)
        .where(Job.id == work.job_id, Job.status == "running", Job.claim == work.claim)
        .values({"wake_at": db_now() + LEASE} | changes)
    )
    if not is_ours:
        raise _ClaimLost


def _commit() -> None:
    """Commit, and forget the loaded objects: those of all batches would fill the memory."""
    commit()
    db.session.expunge_all()
