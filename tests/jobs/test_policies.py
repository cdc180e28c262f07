"""What a kind of job decides for itself: its handler, its attempts and its pauses."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask

from app.jobs import sweeper
from app.jobs.handlers import ATTEMPTS, Kind, Work, exponential, kinds
from app.jobs.handlers import handles as register
from tests.conftest import every_database
from tests.jobs.conftest import KIND, Enqueue, Handles
from tests.jobs.workers import claim, job, lose, row, run, sweep, wake
from tests.support.clients import Client, problem


def fail(_work: Work) -> Iterator[None]:
    """Raise an error in the second batch."""
    yield
    raise ConnectionError


def do_nothing(_work: Work) -> Iterator[None]:
    """Succeed."""
    yield


def test_two_handlers_of_one_kind_are_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds, KIND, Kind(fail, attempts=3, backoff=exponential))
    with pytest.raises(ValueError, match="has two handlers") as error:
        register(KIND)(do_nothing)
    assert str(error.value) == f"The job kind {KIND!r} has two handlers: {__name__}.fail and {__name__}.do_nothing."
    assert kinds[KIND].handler is fail


@every_database
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_a_job_that_raises_is_tried_as_often_as_its_kind_says(
    app: Flask, ada: Client, enqueue: Enqueue, handles: Handles, attempts: int
) -> None:
    handles(fail, attempts=attempts)
    job_id = enqueue()
    for _ in range(attempts + 1):
        run(app, job_id)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"]) == ("failed", attempts)
    assert read["error"] == f"Internal error in attempt {attempts} of {attempts}. Quote the id of the job to support."


@every_database
@pytest.mark.parametrize("attempts", [1, 5])
def test_a_lost_job_is_tried_as_often_as_its_kind_says(
    app: Flask, ada: Client, enqueue: Enqueue, handles: Handles, attempts: int
) -> None:
    handles(do_nothing, attempts=attempts)
    job_id = enqueue()
    for _ in range(attempts):
        assert claim(app, job_id)
        wake(app, job_id)
        sweep(app)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"]) == ("failed", attempts)
    assert read["error"] == f"The worker was lost in attempt {attempts} of {attempts}."


@every_database
def test_the_kind_chooses_the_pause_before_another_attempt(app: Flask, enqueue: Enqueue, handles: Handles) -> None:
    hour, failed = timedelta(hours=1), []

    def an_hour(count: int) -> timedelta:
        failed.append(count)
        return hour

    handles(fail, backoff=an_hour)
    job_id = enqueue()
    run(app, job_id)
    after_one = row(app, job_id)
    wake(app, job_id)
    run(app, job_id)
    assert failed == [1, 2]
    assert hour / 2 <= after_one["wake_at"] - after_one["started_at"]


def test_the_default_pause_doubles_up_to_an_hour() -> None:
    seconds = [exponential(failed).total_seconds() for failed in (1, 2, 3, 11, 12, 1000)]
    assert seconds == [2, 4, 8, 2048, 3600, 3600]


@every_database
def test_a_job_of_an_unknown_kind_can_be_read_and_cancelled(
    app: Flask, ada: Client, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = enqueue()
    monkeypatch.delitem(kinds, KIND)
    run(app, job_id)
    assert [(item["kind"], item["status"]) for item in ada.get("/jobs").json["items"]] == [(KIND, "queued")]
    assert ada.post(f"/jobs/{job_id}/cancel").json["status"] == "cancelled"


@every_database
def test_a_failed_job_of_an_unknown_kind_cannot_be_retried(
    app: Flask, ada: Client, enqueue: Enqueue, handles: Handles, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles(fail, attempts=1)
    job_id = enqueue()
    run(app, job_id)
    monkeypatch.delitem(kinds, KIND)
    before = row(app, job_id)
    reason = f"This release has no handler for jobs of the kind {KIND}."
    status, body = problem(ada.post(f"/jobs/{job_id}/retry"))
    assert (status, body["detail"]) == (409, reason)
    result = app.test_cli_runner().invoke(args=["jobs", "retry", str(job_id)])
    assert (result.exit_code, result.output) == (1, f"Error: {reason}\n")
    assert row(app, job_id) == before


@every_database
def test_an_operator_retries_a_job_without_an_owner(app: Flask, enqueue: Enqueue, handles: Handles) -> None:
    handles(fail, attempts=1)
    job_id = enqueue(owner_id=None)
    run(app, job_id)
    result = app.test_cli_runner().invoke(args=["jobs", "retry", str(job_id)])
    assert (result.exit_code, result.output) == (0, f"Job {job_id} is back in the queue.\n")
    assert row(app, job_id)["status"] == "queued"


def test_the_sweep_warns_once_of_a_kind_without_a_handler(
    app: Flask, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sweeper._warn_of_unknown_kind.cache_clear()
    jobs = [enqueue() for _ in range(2)]
    monkeypatch.delitem(kinds, KIND)
    wake(app, *jobs)
    assert sweep(app) == 2
    warnings = [line.getMessage() for line in caplog.records if "no handler" in line.getMessage()]
    assert warnings == [f"no handler for jobs of the kind {KIND}: they wait for a worker of another release"]


@every_database
def test_a_lost_job_of_an_unknown_kind_is_queued_again_after_any_number_of_attempts(
    app: Flask, enqueue: Enqueue, handles: Handles, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles(do_nothing, attempts=9)
    job_id = enqueue()
    for _ in range(ATTEMPTS):
        lose(app, job_id)
        sweep(app)
    lose(app, job_id)
    monkeypatch.delitem(kinds, KIND)
    assert sweep(app) == 1
    after = row(app, job_id)
    assert (after["status"], after["attempts"], after["error"]) == ("queued", ATTEMPTS + 1, None)
