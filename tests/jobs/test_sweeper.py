"""The sweeper: it finds overdue and lost jobs."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, text, update
from sqlalchemy.exc import OperationalError

from app.core.database import SchemaOutdated, db, utcnow
from app.jobs import service, sweeper
from app.jobs.handlers import ATTEMPTS, JobFailed, Work, exponential
from app.jobs.models import Job
from tests.conftest import every_database
from tests.jobs.conftest import KIND, Enqueue, Handles
from tests.jobs.workers import claim, job, lose, row, run, sweep, wake
from tests.support.clients import Client

Statements = list[tuple[str, Any]]


@contextmanager
def recorded(app: Flask) -> Iterator[Statements]:
    """Record every statement that is sent to the database."""
    seen: Statements = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", record)
        yield seen
        event.remove(db.engine, "before_cursor_execute", record)


@every_database
def test_an_overdue_queued_job_is_announced_again(app: Flask, enqueue: Enqueue, announced: list[int]) -> None:
    job_id = enqueue()
    before = row(app, job_id)
    wake(app, job_id)
    assert sweep(app) == 1
    assert announced == [job_id, job_id]
    after = row(app, job_id)
    assert service.REPUBLISH_AFTER / 2 < after.pop("wake_at") - utcnow() <= service.REPUBLISH_AFTER
    assert after == {name: value for name, value in before.items() if name != "wake_at"}
    assert sweep(app) == 0
    assert len(announced) == 2


@every_database
def test_a_long_queued_job_is_announced_at_least_once_a_minute(app: Flask, enqueue: Enqueue) -> None:
    job_id = enqueue()
    with app.app_context():
        db.session.execute(update(Job).values(created_at=utcnow() - timedelta(hours=1)))
        db.session.commit()
    wake(app, job_id)
    assert sweep(app) == 1
    assert timedelta(seconds=30) < row(app, job_id)["wake_at"] - utcnow() < timedelta(seconds=60)


@every_database
def test_a_job_with_an_expired_lease_is_queued_again(app: Flask, enqueue: Enqueue, announced: list[int]) -> None:
    job_id = enqueue()
    lose(app, job_id)
    assert sweep(app) == 1
    assert announced == [job_id, job_id]
    after = row(app, job_id)
    assert (after["status"], after["claim"], after["attempts"]) == ("queued", None, 1)
    assert service.REPUBLISH_AFTER / 2 < after["wake_at"] - utcnow() <= service.REPUBLISH_AFTER
    assert claim(app, job_id)


@every_database
def test_a_job_that_was_lost_three_times_fails(app: Flask, ada: Client, enqueue: Enqueue, announced: list[int]) -> None:
    job_id, other = enqueue(), enqueue()
    for _ in range(ATTEMPTS):
        lose(app, job_id)
        assert sweep(app) == 1
    read = job(ada, job_id)
    assert (read["status"], read["attempts"]) == ("failed", 3)
    assert read["error"] == "The worker was lost in attempt 3 of 3."
    assert read["finished_at"] is not None
    assert announced == [job_id, other, job_id, job_id]
    assert claim(app, job_id) is None
    assert claim(app, other)


@every_database
def test_a_sweep_leaves_other_jobs_alone(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, announced: list[int]
) -> None:
    def end_by_input(work: Work) -> Iterator[None]:
        if work.open().read() == b"break off":
            raise ConnectionError
        if work.open().read() == b"fail":
            raise JobFailed("It cannot be done.")
        yield

    handles(end_by_input, backoff=exponential)
    jobs = [enqueue(data) for data in (b"succeed", b"fail", b"break off")]
    for job_id in jobs:
        run(app, job_id)
    jobs += [enqueue(), enqueue(), enqueue()]
    ada.post(f"/jobs/{jobs[-1]}/cancel")
    claim(app, jobs[-2])
    before = [row(app, job_id) for job_id in jobs]
    statuses = [state["status"] for state in before]
    assert statuses == ["succeeded", "failed", "queued", "queued", "running", "cancelled"]
    announced.clear()
    assert sweep(app) == 0
    assert [row(app, job_id) for job_id in jobs] == before
    assert announced == []


def enqueue_many(app: Flask, owner: Client, count: int, **values: Any) -> None:
    """Insert many jobs."""
    state = {"owner_id": owner.get("/users/me").json["id"], "kind": KIND, "created_at": utcnow()} | values
    with app.app_context():
        db.session.execute(insert(Job), [state for _ in range(count)])
        db.session.commit()


@every_database
def test_a_sweep_changes_at_most_100_jobs_oldest_first(app: Flask, ada: Client, announced: list[int]) -> None:
    enqueue_many(app, ada, 103, wake_at=utcnow())
    jobs = [item["id"] for item in ada.get("/jobs?limit=100").json["items"]]  # the newest first
    oldest = jobs[:3]
    wake(app, *oldest, overdue=timedelta(hours=1))
    assert sweep(app) == 100
    assert sorted(announced[:3]) == sorted(oldest)
    assert len(set(announced)) == len(announced) == 100
    assert sweep(app) == 3
    assert len(set(announced)) == len(announced) == 103
    assert sweep(app) == 0


@every_database
def test_an_idle_sweep_is_one_index_query(app: Flask, ada: Client, database: str) -> None:
    enqueue_many(app, ada, 3000, status="succeeded")
    with recorded(app) as statements:
        assert sweep(app) == 0
    ((statement, parameters),) = statements
    explain = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (FORMAT JSON)", "mariadb": "EXPLAIN FORMAT=JSON"}
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text({"mariadb": "ANALYZE TABLE jobs"}.get(database, "ANALYZE")))
        plan = connection.exec_driver_sql(f"{explain[database]} {statement}", parameters).all()
    text_of_plan = json.dumps([list(line) for line in plan])
    assert "ix_jobs_wake_at" in text_of_plan
    assert not re.search(r"SCAN jobs|Seq Scan|TEMP B-TREE|filesort", text_of_plan)


def test_the_sweeper_waits_for_the_schema_survives_errors_and_sleeps_irregularly(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    checks: list[None] = []

    class Stopped(Exception):
        """The worker has stopped."""

    def fail() -> int:
        faults = [
            OperationalError("SELECT", {}, Exception("no route"), connection_invalidated=True),
            AttributeError("a driver's bug"),
        ]
        raise faults[len(pauses) % 2]

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 50:
            raise Stopped

    def check_schema() -> None:
        checks.append(None)
        if len(checks) < 3:
            raise SchemaOutdated("the schema is at 1, the code at 2")

    monkeypatch.setattr(sweeper, "check_schema", check_schema)
    monkeypatch.setattr(sweeper, "sweep", fail)
    monkeypatch.setattr(sweeper, "time", SimpleNamespace(sleep=pause))
    with pytest.raises(Stopped):
        sweeper.sweep_forever(app)
    assert 4 <= min(pauses) < 4.6
    assert 5.4 < max(pauses) <= 6
    levels = [line.levelname for line in caplog.records if line.name == "app.jobs.sweeper"]
    assert levels == ["INFO"] * 2 + ["WARNING", "ERROR"] * 24
    assert len(checks) == 3
