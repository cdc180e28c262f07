"""The sweep: what has waited too long is announced again, and what a worker has lost is taken back.

Every worker sweeps, without a scheduler beside it. Any number may do so together: each change is conditional on what
the sweeper saw, so of all who see the same job one changes it. An idle sweep is one query of an index.
"""

import logging
import random
import time
from typing import Any
from uuid import uuid4

from flask import Flask
from sqlalchemy import Row, select, update

from app.core.database import affected_rows, commit, db, is_transient, read_connection, utcnow
from app.core.observability import caused_by
from app.jobs.models import Job
from app.jobs.runner import ATTEMPTS
from app.jobs.service import PATIENCE, announce_later, ended, queued
from app.jobs.workers import beat

INTERVAL = 5.0  # seconds, more or less, so that workers which started together don't sweep together
AT_ONCE = 100  # jobs; a long queue is announced bit by bit, not all of it at once to a broker that may have it all

logger = logging.getLogger(__name__)


def sweep() -> int:
    """Wake every job whose time has come, and count those that were changed."""
    seen = (Job.id, Job.status, Job.attempts, Job.wake_at, Job.created_at, Job.request_id)
    due = select(*seen).where(Job.wake_at <= utcnow())
    with read_connection(db.engine) as connection:
        jobs = connection.execute(due.order_by(Job.wake_at).limit(AT_ONCE)).all()
    return sum(_wake(job) for job in jobs)


def _wake(job: Row[*tuple[Any, ...]]) -> bool:
    # A job that waits in a long queue is announced less often, yet within a minute of being lost.
    state = queued(patience=min(max(PATIENCE, utcnow() - job.created_at), 4 * PATIENCE))
    if job.status == "running" and job.attempts >= ATTEMPTS:
        state = ended("failed", f"It was lost together with its worker, {job.attempts} times.")
    as_seen = (Job.id == job.id, Job.status == job.status, Job.wake_at == job.wake_at)
    ours = affected_rows(update(Job).where(*as_seen).values(**state)) > 0
    if ours and state["status"] == "queued":
        announce_later(job.id)
    commit()
    if ours and job.status == "running":
        with caused_by(job.request_id, job.id):
            logger.warning("the job was lost in attempt %s: now %s", job.attempts, state["status"])
    return ours


def sweep_forever(app: Flask) -> None:
    """Sweep at intervals, and say that this worker lives; a database that is away is asked again at the next."""
    worker = uuid4().hex
    while True:
        try:
            with app.app_context():
                sweep()
                beat(worker)
        except Exception as error:  # without its sweeper, a worker would forget lost jobs for as long as it lives
            if is_transient(error):
                logger.warning("no sweep, the database does not answer: %s", error)
            else:
                logger.exception("the sweep broke off")
        time.sleep(INTERVAL * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
