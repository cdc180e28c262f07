"""Revision 0002 with rows in the tables."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import insert, select, text

from app import create_app
from app.core.database import db
from app.jobs.models import Job, JobInput
from app.users.models import User
from tests.conftest import every_database, make_settings
from tests.support.services import new_database

CREATED = datetime(2026, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)


@pytest.fixture
def at_0001(database: str, tmp_path: Path) -> Iterator[Flask]:
    """An application whose database is at revision 0001, in its context."""
    with new_database(database, tmp_path) as url:
        app = create_app(make_settings(url, f"sqla+sqlite:///{tmp_path}/broker.db"))
        with app.app_context():
            flask_migrate.upgrade(revision="0001")
            yield app
            db.session.remove()
            db.engine.dispose()


def add_job_at_0001() -> int:
    """Commit a job with input, and return its id."""
    owner = User(email="ada@example.org", name="Ada", password_hash="no hash")
    db.session.add(owner)
    db.session.flush()
    columns = "owner_id, kind, status, done, attempts, created_at"
    values = {"owner_id": owner.id, "created_at": CREATED.replace(tzinfo=None)}
    statement = f"INSERT INTO jobs ({columns}) VALUES (:owner_id, 'tests.kind', 'queued', 0, 0, :created_at)"
    db.session.execute(text(statement), values)
    job_id = int(db.session.scalar(text("SELECT max(id) FROM jobs")) or 0)
    db.session.execute(insert(JobInput).values(job_id=job_id, part=0, data=b"input"))
    db.session.commit()
    return job_id


def inputs() -> list[tuple[int, bytes]]:
    """The inputs of all jobs."""
    return [(row.job_id, row.data) for row in db.session.execute(select(JobInput.job_id, JobInput.data))]


@every_database
def test_jobs_and_their_inputs_survive_the_migration_both_ways(at_0001: Flask) -> None:
    job_id = add_job_at_0001()
    flask_migrate.upgrade(revision="0002")
    job = db.session.get_one(Job, job_id)
    assert (job.queue, job.args, job.status, job.kind) == ("default", None, "queued", "tests.kind")
    assert job.owner_id is not None
    db.session.add(Job(kind="tests.kind"))
    db.session.commit()
    flask_migrate.downgrade(revision="0001")
    assert db.session.scalars(text("SELECT id FROM jobs")).all() == [job_id]
    assert inputs() == [(job_id, b"input")]
