"""Adds jobs, and what users and operators do with them: list, read, cancel, retry."""

import logging
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update

from app.core.broker import publish
from app.core.commands import prunes
from app.core.database import affected_rows, after_commit, db, db_now
from app.core.errors import Conflict, NotFound
from app.core.http import Page, paginate
from app.core.observability import caused_by, request_id
from app.jobs.handlers import kinds
from app.jobs.models import Job, JobInput

PART_SIZE = 512 * 1024  # bytes; MySQL's limit for a packet is 16 MiB by default, and lower on some servers
KEPT_FOR = timedelta(days=30)
RUN = "jobs.run"  # the name of the Celery task
REPUBLISH_AFTER = timedelta(seconds=10)

logger = logging.getLogger(__name__)


def enqueue(
    kind: str,
    args: dict[str, Any] | None = None,
    *,
    owner_id: int | None = None,
    queue: str = "default",
    data: bytes | None = None,
) -> Job:
    """Add a job in the current transaction, and publish it to the workers after the commit.

    Args:
        kind: The kind of job. `handles` registers its handler.
        args: Arguments for the handler; JSON.
        owner_id: The user to whom the job belongs. Without one, the API shows the job to no user.
        queue: Stored with the job. Workers serve all queues.
        data: Input of any size, for example a file. The handler reads it with `Work.open`.
    """
    job = Job(kind=kind, args=args, owner_id=owner_id, queue=queue, request_id=request_id(), **queued())
    db.session.add(job)
    db.session.flush()
    for part, start in enumerate(range(0, len(data or b""), PART_SIZE)):
        db.session.add(JobInput(job_id=job.id, part=part, data=(data or b"")[start : start + PART_SIZE]))
        db.session.flush()
    after_commit(partial(_log_queued, kind, job.id))
    publish_after_commit(job.id)
    return job


def _log_queued(kind: str, job_id: int) -> None:
    with caused_by(request_id(), job_id):
        logger.info("%s queued", kind)


def publish_after_commit(job_id: int) -> None:
    """Send the workers a message about a queued job, through the broker, after the commit."""
    after_commit(partial(publish, RUN, job_id))


def queued(wait: timedelta = REPUBLISH_AFTER) -> dict[str, Any]:
    """The columns of a queued job. A sweep publishes it again after `wait`."""
    return {"status": "queued", "claim": None, "wake_at": db_now() + wait}


def ended(status: str, error: str | None = None) -> dict[str, Any]:
    """The columns of a job that has ended."""
    return {"status": status, "error": error, "claim": None, "wake_at": None, "finished_at": db_now()}


def find(owner_id: int, *, sort: str, limit: int, cursor: str | None) -> Page[Job]:
    """List the user's jobs."""
    owned = select(Job).where(Job.owner_id == owner_id)
    return paginate(owned, orders={"id": Job.id}, key=Job.id, sort=sort, limit=limit, cursor=cursor)


def get(owner_id: int, job_id: int) -> Job:
    """Fetch one of the user's jobs.

    Raises:
        NotFound: The job does not exist, or belongs to another user.
    """
    return _fetch(Job.id == job_id, Job.owner_id == owner_id)


def cancel(owner_id: int, job_id: int) -> Job:
    """Cancel a job. A running job stops before its next batch; the effects of earlier batches stay.

    Raises:
        NotFound: The job does not exist, or belongs to another user.
        Conflict: The job has already ended.
    """
    owned = (Job.id == job_id, Job.owner_id == owner_id)
    active = Job.status.in_(("queued", "running"))
    cancelled = affected_rows(update(Job).where(*owned, active).values(**ended("cancelled")))
    job = _fetch(*owned)
    if not cancelled:
        raise Conflict(f"The job has already ended: it is {job.status}.")
    affected_rows(delete(JobInput).where(JobInput.job_id == job_id))
    return job


def retry(owner_id: int, job_id: int) -> Job:
    """Put a failed job back into the queue. It resumes after its last batch, with all its attempts.

    Raises:
        NotFound: The job does not exist, or belongs to another user.
        Conflict: The job has not failed, or this release cannot run it.
    """
    return _retry(Job.id == job_id, Job.owner_id == owner_id)


def retry_any(job_id: int) -> Job:
    """Put a failed job back into the queue, whether it has an owner or not.

    Raises:
        NotFound: The job does not exist.
        Conflict: The job has not failed, or this release cannot run it.
    """
    return _retry(Job.id == job_id)


def _retry(*conditions: ColumnElement[bool]) -> Job:
    changes = queued() | {"attempts": 0, "error": None, "finished_at": None}
    can_run = (Job.status == "failed", Job.kind.in_(kinds))
    retried = affected_rows(update(Job).where(*conditions, *can_run).values(**changes))
    job = _fetch(*conditions)
    if retried:
        publish_after_commit(job.id)
        return job
    if job.status == "failed":
        raise Conflict(f"This release has no handler for jobs of the kind {job.kind}.")
    raise Conflict(f"Only a failed job can be retried: it is {job.status}.")


def _fetch(*conditions: ColumnElement[bool]) -> Job:
    job = db.session.scalar(select(Job).where(*conditions))
    if job is None:
        raise NotFound("The job does not exist.")
    return job


@prunes("finished jobs")
def delete_finished() -> int:
    """Delete the jobs that ended 30 days ago, with their inputs."""
    before = select(db_now() - KEPT_FOR).scalar_subquery()  # evaluated once, so that the index is used
    return affected_rows(delete(Job).where(Job.finished_at <= before))
