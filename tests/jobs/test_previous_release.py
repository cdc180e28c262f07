"""Two releases on one database: the one before revision 0002, which knows fewer columns of `jobs`, and this one."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import JSON, Integer, Row, String, column, func, insert, select, table, update

from app.core.database import UTCDateTime, db, utcnow
from app.jobs.handlers import Work
from tests.conftest import every_database
from tests.jobs.conftest import KIND, Enqueue, Handles
from tests.jobs.workers import claim, job, row, run, sweep, wake
from tests.support.clients import Client

LEASE = timedelta(seconds=20)
OLD = table(  # the table as the previous release knows it
    "jobs",
    *(column(name, Integer) for name in ("id", "owner_id", "done", "total", "attempts")),
    *(column(name, String) for name in ("kind", "status", "error", "request_id", "claim")),
    *(column(name, UTCDateTime()) for name in ("wake_at", "created_at", "started_at", "finished_at")),
    column("result", JSON),
)


def execute(app: Flask, statement: Any) -> int:
    """Execute a statement of the previous release, and return the number of rows."""
    with app.app_context(), db.engine.begin() as connection:
        return connection.execute(statement).rowcount


def old_enqueue(app: Flask, owner: Client) -> int:
    """Insert a job like the previous release, with its list of columns."""
    job = {"owner_id": owner.get("/users/me").json["id"], "kind": KIND, "status": "queued", "done": 0, "attempts": 0}
    times = {"wake_at": utcnow() + timedelta(seconds=10), "created_at": utcnow()}
    execute(app, insert(OLD).values(**job, **times, request_id=None))
    return int(owner.get("/jobs").json["items"][0]["id"])


def old_claim(app: Flask, job_id: int) -> int:
    """Claim a job like the previous release."""
    queued = (OLD.c.id == job_id, OLD.c.status == "queued", OLD.c.kind.in_([KIND]))
    values = {"status": "running", "claim": "old", "wake_at": utcnow() + LEASE, "attempts": OLD.c.attempts + 1}
    return execute(
        app, update(OLD).where(*queued).values(started_at=func.coalesce(OLD.c.started_at, utcnow()), **values)
    )


def old_write(app: Flask, job_id: int, **values: Any) -> int:
    """Write a batch's progress, or the end of a job, like the previous release."""
    ours = (OLD.c.id == job_id, OLD.c.status == "running", OLD.c.claim == "old")
    return execute(app, update(OLD).where(*ours).values(wake_at=utcnow() + LEASE, **values))


def old_read(app: Flask, job_id: int) -> Row[Any]:
    """Read a job like the previous release."""
    with app.app_context(), db.engine.connect() as connection:
        return connection.execute(select(OLD).where(OLD.c.id == job_id)).one()


@every_database
def test_this_release_runs_a_job_of_the_previous_one(app: Flask, ada: Client, handles: Handles) -> None:
    seen = []

    @handles
    def note_arguments(work: Work) -> Iterator[None]:
        seen.append((work.args, work.owner_id, work.open().read()))
        yield

    job_id = old_enqueue(app, ada)
    run(app, job_id)
    assert job(ada, job_id)["status"] == "succeeded"
    assert seen == [({}, ada.get("/users/me").json["id"], b"")]
    assert row(app, job_id)["queue"] == "default"


@every_database
def test_the_previous_release_runs_a_job_of_this_one(app: Flask, ada: Client, enqueue: Enqueue) -> None:
    job_id = enqueue(args={"number": 1}, queue="slow")
    assert old_claim(app, job_id) == 1
    assert claim(app, job_id) is None
    assert sweep(app) == 0
    assert old_write(app, job_id, done=1, total=1, result={"by": "old"}) == 1
    assert old_write(app, job_id, status="succeeded", claim=None, finished_at=utcnow()) == 1
    read = job(ada, job_id)
    assert (read["status"], read["progress"], read["result"]) == ("succeeded", {"done": 1, "total": 1}, {"by": "old"})
    assert (row(app, job_id)["args"], row(app, job_id)["queue"]) == ({"number": 1}, "slow")


@every_database
def test_this_release_takes_a_lost_job_of_the_previous_one(app: Flask, ada: Client, enqueue: Enqueue) -> None:
    job_id = enqueue()
    old_claim(app, job_id)
    wake(app, job_id)
    assert sweep(app) == 1
    run(app, job_id)
    assert (job(ada, job_id)["status"], job(ada, job_id)["attempts"]) == ("succeeded", 2)
    assert old_write(app, job_id, done=99) == 0


@every_database
def test_the_previous_release_reads_a_job_without_an_owner(app: Flask, enqueue: Enqueue) -> None:
    job_id = enqueue(owner_id=None)
    read = old_read(app, job_id)
    assert (read.owner_id, read.status, read.attempts) == (None, "queued", 0)
    assert old_claim(app, job_id) == 1
