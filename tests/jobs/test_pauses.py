"""The pause after an error: no worker claims the job before its end."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import null, update

from app.core.database import db
from app.jobs.handlers import Work
from app.jobs.models import Job
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import job, row, run, sweep, wake
from tests.support.clients import Client


@pytest.fixture
def paused(app: Flask, enqueue: Enqueue, handles: Handles) -> int:
    """A job with a backoff of an hour, after an error in its first attempt."""

    def fail(_work: Work) -> Iterator[None]:
        yield
        raise ConnectionError

    handles(fail, backoff=lambda _failed: timedelta(hours=1))
    job_id = enqueue()
    run(app, job_id)
    return job_id


@every_database
def test_further_messages_do_not_shorten_the_pause(app: Flask, ada: Client, paused: int) -> None:
    before = row(app, paused)
    for _ in range(2):
        run(app, paused)
    assert row(app, paused) == before
    assert (job(ada, paused)["status"], job(ada, paused)["attempts"]) == ("queued", 1)


@every_database
def test_the_job_can_be_claimed_after_the_pause(app: Flask, paused: int) -> None:
    wake(app, paused)
    run(app, paused)
    assert row(app, paused)["attempts"] == 2


@every_database
def test_the_job_can_be_claimed_after_the_sweep_that_ends_the_pause(
    app: Flask, paused: int, announced: list[int]
) -> None:
    wake(app, paused)
    assert sweep(app) == 1
    assert announced == [paused]
    run(app, paused)
    assert row(app, paused)["attempts"] == 2


@every_database
def test_a_job_can_be_cancelled_during_the_pause(app: Flask, ada: Client, paused: int) -> None:
    assert ada.post(f"/jobs/{paused}/cancel").json["status"] == "cancelled"
    run(app, paused)
    assert (row(app, paused)["attempts"], row(app, paused)["claim"]) == (1, None)


@every_database
def test_a_job_that_waits_after_an_error_in_the_previous_release_can_be_claimed(app: Flask, paused: int) -> None:
    """The previous release set no claim. Its pause is not enforced."""
    with app.app_context():
        db.session.execute(update(Job).where(Job.id == paused).values(claim=null()))
        db.session.commit()
    run(app, paused)
    assert row(app, paused)["attempts"] == 2
