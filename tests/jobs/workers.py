"""Workers that a test controls. The test also controls when a job is due."""

from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import update

from app.core.database import db, utcnow
from app.jobs import runner, sweeper
from app.jobs.handlers import Work
from app.jobs.models import Job
from tests.support.clients import Client
from tests.support.factories import code, note
from tests.support.notes import service as notes


def run(app: Flask, job_id: int) -> None:
    """Run a job, as a separate worker."""
    with app.app_context():
        runner.run(job_id)


def claim(app: Flask, job_id: int) -> Job | None:
    """Claim a job without running it, like a worker that is killed at once."""
    with app.app_context():
        return runner._claim(job_id)


def sweep(app: Flask) -> int:
    """Sweep once, as a separate worker."""
    with app.app_context():
        return sweeper.sweep()


def wake(app: Flask, *job_ids: int, overdue: timedelta = timedelta(seconds=1)) -> None:
    """Make jobs due for the next sweep: they are overdue, or their leases have expired."""
    with app.app_context():
        db.session.execute(update(Job).where(Job.id.in_(job_ids)).values(wake_at=utcnow() - overdue))
        db.session.commit()


def lose(app: Flask, job_id: int) -> None:
    """Claim a job, and let its lease end, as if the worker had been killed."""
    assert claim(app, job_id)
    wake(app, job_id)


def row(app: Flask, job_id: int) -> dict[str, Any]:
    """All columns of a job."""
    with app.app_context():
        job = db.session.get_one(Job, job_id)
        return {column.name: getattr(job, column.name) for column in Job.__table__.columns}


def add_note(work: Work, number: int) -> None:
    """Create a note, as the effect of a batch."""
    notes.create(work.owner_id, **note(code=code(number), title=str(number)))
    work.done += 1


def titles(client: Client) -> list[str]:
    """The titles of the user's notes."""
    return [item["title"] for item in client.get("/notes?limit=100").json["items"]]


def job(client: Client, job_id: int) -> dict[str, Any]:
    """A job, as its owner reads it."""
    response = client.get(f"/jobs/{job_id}")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json
    return body
