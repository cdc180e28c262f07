"""`flask prune` deletes expired rows of every feature."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select, text, update

from app.auth.models import Session
from app.core.database import db, utcnow
from app.jobs import service
from app.jobs.handlers import JobFailed, Work
from app.jobs.models import Job, JobInput
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.support.clients import Client
from tests.support.factories import log_in
from tests.support.plans import PLANS, recorded


def prune(app: Flask) -> list[str]:
    """Prune, and return the lines that were printed."""
    result = app.test_cli_runner().invoke(args=["prune"])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def make_older(app: Flask, job_id: int, age: timedelta) -> None:
    with app.app_context():
        job = db.session.get_one(Job, job_id)
        job.created_at -= age
        if job.finished_at:
            job.finished_at -= age
        db.session.commit()


def listed(client: Client) -> list[int]:
    return [item["id"] for item in client.get("/jobs?sort=id").json["items"]]


def test_prune_prints_zero_counts(app: Flask) -> None:
    lines = prune(app)
    assert {"0 expired sessions", "0 finished jobs"} <= set(lines)


@every_database
def test_only_expired_sessions_are_pruned(app: Flask, ada: Client, bob: Client) -> None:
    live = log_in(app, "ada@example.org")
    with app.app_context():
        oldest = select(func.min(Session.created_at)).scalar_subquery()
        first = db.session.scalar(select(Session.id).where(Session.created_at == oldest))
        db.session.execute(
            update(Session).where(Session.id == first).values(expires_at=utcnow() - timedelta(seconds=1))
        )
        db.session.commit()
    assert "1 expired sessions" in prune(app)
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Session)) == 2
    assert ada.get("/users/me").status_code == 401
    assert live.get("/users/me").status_code == bob.get("/users/me").status_code == 200


@every_database
def test_only_old_finished_jobs_are_pruned(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, run_jobs: Callable[[], None]
) -> None:
    @handles
    def end_by_input(work: Work) -> Iterator[None]:
        if work.open().read() == b"fail":
            raise JobFailed("It cannot be done.")
        yield

    old = [enqueue(b"succeed"), enqueue(b"fail"), enqueue(b"cancel")]
    recent = enqueue(b"succeed")
    ada.post(f"/jobs/{old[2]}/cancel")
    run_jobs()
    waiting = enqueue(b"wait")
    for job_id in (*old, waiting):
        make_older(app, job_id, timedelta(days=30, seconds=1))
    make_older(app, recent, timedelta(days=29))
    assert "3 finished jobs" in prune(app)
    assert listed(ada) == [recent, waiting]
    with app.app_context():
        assert db.session.scalars(select(JobInput.job_id)).all() == [waiting]


@every_database
def test_prune_can_be_repeated(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, run_jobs: Callable[[], None]
) -> None:
    @handles
    def finish(work: Work) -> Iterator[None]:
        yield

    job_id = enqueue()
    run_jobs()
    make_older(app, job_id, timedelta(days=31))
    assert "1 finished jobs" in prune(app)
    assert "0 finished jobs" in prune(app)
    assert ada.get("/users/me").status_code == 200


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_prune_of_jobs_reads_an_index(app: Flask, ada: Client) -> None:
    ended = {"owner_id": ada.get("/users/me").json["id"], "kind": "tests.kind", "status": "succeeded"}
    with app.app_context():
        db.session.execute(insert(Job), [ended | {"finished_at": utcnow()} for _ in range(3000)])
        db.session.execute(text("ANALYZE jobs"))
        db.session.commit()
        with recorded() as statements:
            assert service.delete_finished() == 0
        ((statement, values),) = statements
        assert PLANS["postgresql"](db.session.connection(), statement, values).indexes == {"ix_jobs_finished_at"}
