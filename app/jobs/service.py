"""What users can do with jobs; `runner` has what workers do with them, `sweeper` what nobody asked for."""

import logging
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import delete, select, update

from app.core.broker import publish
from app.core.commands import prunes
from app.core.database import affected_rows, after_commit, db, utcnow
from app.core.errors import Conflict, NotFound
from app.core.http import Page, paginate
from app.core.observability import caused_by, request_id
from app.jobs.models import Job, JobInput

PART = 512 * 1024  # bytes; MySQL takes packets of 16 MiB at most, and some servers far less
KEPT = timedelta(days=30)
RUN = "jobs.run"
PATIENCE = timedelta(seconds=10)  # until a job that nobody has begun is announced again

logger = logging.getLogger(__name__)


def enqueue(owner_id: int, kind: str, data: bytes) -> Job:
    """Promise a job: row and input are committed with everything else, and only then is it announced."""
    job = Job(owner_id=owner_id, kind=kind, request_id=request_id(), wake_at=utcnow() + PATIENCE)
    db.session.add(job)
    db.session.flush()
    for part, start in enumerate(range(0, len(data), PART)):
        db.session.add(JobInput(job_id=job.id, part=part, data=data[start : start + PART]))
        db.session.flush()
    after_commit(partial(_log_promise, kind, job.id))
    announce_later(job.id)
    return job


def _log_promise(kind: str, job_id: int) -> None:
    with caused_by(request_id(), job_id):  # of the web's lines, the one that names the job
        logger.info("%s queued", kind)


def announce_later(job_id: int) -> None:
    """Tell the workers, once this transaction is committed, that a job is waiting."""
    after_commit(partial(publish, RUN, job_id))


def queued(patience: timedelta = PATIENCE) -> dict[str, Any]:
    """The state of a job that waits, and is announced again when patience ends."""
    return {"status": "queued", "claim": None, "wake_at": utcnow() + patience}


def ended(status: str, error: str | None = None) -> dict[str, Any]:
    """The state of a job that nothing will happen to any more."""
    return {"status": status, "error": error, "claim": None, "wake_at": None, "finished_at": utcnow()}


def find(owner_id: int, *, sort: str, limit: int, cursor: str | None) -> Page[Job]:
    """List the user's jobs."""
    mine = select(Job).where(Job.owner_id == owner_id)
    return paginate(mine, orders={"id": Job.id}, key=Job.id, sort=sort, limit=limit, cursor=cursor)


def get(owner_id: int, job_id: int) -> Job:
    """Fetch one of the user's jobs.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    job = db.session.scalar(select(Job).where(Job.id == job_id, Job.owner_id == owner_id))
    if job is None:
        raise NotFound("There is no such job.")
    return job


def cancel(owner_id: int, job_id: int) -> Job:
    """Cancel a job. A running one stops before its next batch; what earlier batches did stays done.

    Raises:
        NotFound: there is none, or it is somebody else's.
        Conflict: it has already ended.
    """
    mine = (Job.id == job_id, Job.owner_id == owner_id)
    cancelled = affected_rows(
        update(Job).where(*mine, Job.status.in_(("queued", "running"))).values(**ended("cancelled"))
    )
    job = get(owner_id, job_id)
    if not cancelled:
        raise Conflict(f"The job has ended already: it is {job.status}.")
    affected_rows(delete(JobInput).where(JobInput.job_id == job_id))  # nobody will work on it any more
    return job


def retry(owner_id: int, job_id: int) -> Job:
    """Put a failed job back into the queue; it goes on from its last batch, with all its attempts.

    Raises:
        NotFound: there is none, or it is somebody else's.
        Conflict: it has not failed.
    """
    mine = (Job.id == job_id, Job.owner_id == owner_id, Job.status == "failed")
    fresh = queued() | {"attempts": 0, "error": None, "finished_at": None}
    retried = affected_rows(update(Job).where(*mine).values(**fresh))
    job = get(owner_id, job_id)
    if not retried:
        raise Conflict(f"Only a failed job can be retried: it is {job.status}.")
    announce_later(job_id)
    return job


@prunes("finished jobs")
def delete_finished() -> int:
    """Delete the jobs that ended long ago, with their inputs."""
    return affected_rows(delete(Job).where(Job.finished_at <= utcnow() - KEPT))
