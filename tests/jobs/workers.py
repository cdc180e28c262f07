"""Workers of a test's own, for whom time passes when the test says so."""

from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import update

from app.books import service as books
from app.core.database import db, utcnow
from app.jobs import runner, sweeper
from app.jobs.models import Job
from app.jobs.runner import Work
from tests.support.clients import Client, book, isbn


def run(app: Flask, job_id: int) -> None:
    """Do a job, as a worker of its own."""
    with app.app_context():
        runner.run(job_id)


def claim(app: Flask, job_id: int) -> Job | None:
    """Take a job, and do nothing about it: as a worker that dies at once."""
    with app.app_context():
        return runner._claim(job_id)


def sweep(app: Flask) -> int:
    """Sweep once, as a worker of its own."""
    with app.app_context():
        return sweeper.sweep()


def wake(app: Flask, *job_ids: int) -> None:
    """Let the time pass until a sweep looks at these jobs: they have waited too long, or their leases have ended."""
    with app.app_context():
        db.session.execute(update(Job).where(Job.id.in_(job_ids)).values(wake_at=utcnow() - timedelta(seconds=1)))
        db.session.commit()


def row(app: Flask, job_id: int) -> dict[str, Any]:
    """Everything that the database knows of a job."""
    with app.app_context():
        job = db.session.get_one(Job, job_id)
        return {column.name: getattr(job, column.name) for column in Job.__table__.columns}


def add_book(work: Work, number: int) -> None:
    """Do a batch's work: one book."""
    books.create(work.owner_id, **book(isbn=isbn(number), title=str(number)))
    work.done += 1


def shelf(client: Client) -> list[str]:
    """The titles of the books that are there."""
    return [item["title"] for item in client.get("/books?limit=100").json["items"]]


def job(client: Client, job_id: int) -> dict[str, Any]:
    """A job, as its owner sees it."""
    response = client.get(f"/jobs/{job_id}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json
    return answer
