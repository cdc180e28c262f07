"""The sweep: publishes jobs again that wait too long, and takes back jobs that were lost with their worker.

Every worker sweeps, so there is no scheduler. Several can sweep at the same time: each change is conditional on the
state that the sweep has read, so one of them succeeds. A sweep that finds nothing is one query of an index.
"""

import logging
import random
import time
from functools import cache
from typing import Any
from uuid import uuid4

from flask import Flask
from sqlalchemy import Row, select, update

from app.core.database import (
    SchemaOutdated,
    affected_rows,
    check_schema,
    commit,
    db,
    db_now,
    is_transient,
    read_connection,
)
from app.core.observability import caused_by
from app.jobs.handlers import kinds
from app.jobs.models import Job
from app.jobs.service import REPUBLISH_AFTER, ended, publish_after_commit, queued
from app.jobs.workers import beat

INTERVAL = 5.0  # seconds; it varies, so that workers that started together do not sweep together
BATCH_SIZE = 100  # jobs; the messages of a long queue are sent little by little

logger = logging.getLogger(__name__)


def sweep() -> int:
    """Act on the jobs whose `wake_at` has passed, and return how many were changed."""
    now = select(db_now()).scalar_subquery()  # evaluated once, so that the index is used
    columns = (Job.id, Job.kind, Job.status, Job.attempts, Job.wake_at, Job.created_at, Job.request_id)
    due = select(*columns, now.label("now")).where(Job.wake_at <= now).order_by(Job.wake_at).limit(BATCH_SIZE)
    with read_connection(db.engine) as connection:
        jobs = connection.execute(due).all()
    return sum(_wake(job) for job in jobs)


def _wake(job: Row[*tuple[Any, ...]]) -> bool:
    """Publish a queued job again; put a lost job back into the queue, or let it fail after its last attempt."""
    if job.kind not in kinds:
        _warn_of_unknown_kind(job.kind)
    changes = _next_state(job)
    unchanged = (Job.id == job.id, Job.status == job.status, Job.wake_at == job.wake_at)
    changed = affected_rows(update(Job).where(*unchanged).values(**changes)) > 0
    if changed and changes["status"] == "queued":
        publish_after_commit(job.id)
    commit()
    if changed and job.status == "running":
        with caused_by(job.request_id, job.id):
            logger.warning("%s was lost in attempt %s: now %s", job.kind, job.attempts, changes["status"])
    return changed


def _next_state(job: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    kind = kinds.get(job.kind)  # only another release knows how often to try the jobs of an unknown kind
    if job.status == "running" and kind and job.attempts >= kind.attempts:
        return ended("failed", f"The worker was lost in attempt {job.attempts} of {kind.attempts}.")
    # The jobs of a long queue are published less often, but at least every 40 seconds: a message may be lost.
    return queued(wait=min(max(REPUBLISH_AFTER, job.now - job.created_at), 4 * REPUBLISH_AFTER))


@cache
def _warn_of_unknown_kind(kind: str) -> None:
    logger.warning("no handler for jobs of the kind %s: they wait for a worker of another release", kind)


def sweep_forever(app: Flask) -> None:
    """Sweep at intervals, and write this worker's heartbeat. Errors are logged, and the next sweep tries again.

    A worker can start before the migrations of its release have run. It then waits for them, and does not check again.
    """
    worker, checked = uuid4().hex, False
    while True:
        try:
            with app.app_context():
                if not checked:
                    check_schema()
                    checked = True
                sweep()
                beat(worker)
        except SchemaOutdated as error:
            logger.info("no sweep yet: %s", error)
        except Exception as error:  # without its sweeper, a worker would never take back lost jobs
            if is_transient(error):
                logger.warning("the sweep failed: database error: %s", error)
            else:
                logger.exception("the sweep failed")
        time.sleep(INTERVAL * random.uniform(0.8, 1.2))  # noqa: S311  # not a secret
