"""`enqueue`: arguments, input, owner and queue of a job."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import func, null, select
from sqlalchemy.exc import StatementError

from app.core.database import db, rollback
from app.jobs import service
from app.jobs.handlers import Work
from app.jobs.models import Job
from tests.conftest import every_database
from tests.jobs.conftest import KIND, Enqueue, Handles
from tests.jobs.workers import job, row, run
from tests.support.clients import Client


@every_database
def test_a_handler_receives_the_arguments_of_the_job(
    app: Flask, ada: Client, enqueue: Enqueue, handles: Handles
) -> None:
    seen = []
    args = {"ids": [1, 2], "name": "Zoë 😀 \x00", "nested": {"deep": None}, "ratio": 0.5}

    @handles
    def note_arguments(work: Work) -> Iterator[None]:
        seen.append((work.args, work.open().read()))
        yield

    for options in ({"args": args}, {"args": None}, {"args": {}, "data": b"input"}):
        job_id = enqueue(**options)
        run(app, job_id)
        assert job(ada, job_id)["status"] == "succeeded"
    assert seen == [(args, b""), ({}, b""), ({}, b"input")]


@every_database
def test_a_job_without_arguments_has_null_in_the_column(app: Flask, enqueue: Enqueue) -> None:
    enqueue()
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Job).where(Job.args.is_(null()))) == 1


@every_database
def test_the_queue_of_a_job_is_stored(app: Flask, enqueue: Enqueue) -> None:
    queues = [row(app, enqueue(**options))["queue"] for options in ({}, {"queue": "mail"})]
    assert queues == ["default", "mail"]


def test_arguments_that_are_not_json_add_no_job(app: Flask, ada: Client) -> None:
    with app.app_context():
        with pytest.raises((StatementError, TypeError), match="not JSON serializable"):  # psycopg raises its own
            service.enqueue(KIND, {"name": object()})
        rollback()
        assert db.session.scalar(select(func.count()).select_from(Job)) == 0


@every_database
def test_a_job_without_an_owner_runs(
    app: Flask, enqueue: Enqueue, handles: Handles, run_jobs: Callable[[], None]
) -> None:
    seen = []

    @handles
    def read_input(work: Work) -> Iterator[None]:
        seen.append(work.open().read())
        yield

    job_id = enqueue(owner_id=None, data=b"input")
    run_jobs()
    assert seen == [b"input"]
    assert row(app, job_id)["status"] == "succeeded"


def test_the_owner_of_a_job_without_one_is_an_error(app: Flask, enqueue: Enqueue) -> None:
    with pytest.raises(LookupError, match="job 7 has no owner"):
        _ = Work(7, None, claim="").owner_id


@every_database
def test_no_user_sees_a_job_without_an_owner(ada: Client, enqueue: Enqueue) -> None:
    job_id = enqueue(owner_id=None)
    assert ada.get("/jobs").json["items"] == []
    for method, action in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        assert ada.open(method, f"/jobs/{job_id}{action}").status_code == 404
