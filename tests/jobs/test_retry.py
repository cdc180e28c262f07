"""`POST /jobs/<id>/retry` and `flask jobs retry`."""

from collections.abc import Iterator
from functools import partial

import pytest
from flask import Flask

from app.jobs.handlers import ATTEMPTS, JobFailed, Work
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import add_note, claim, job, row, run, titles
from tests.support.clients import Client, at_once, problem


@pytest.fixture
def failed(app: Flask, handles: Handles, enqueue: Enqueue) -> int:
    """A job that has failed after its first batch, and would succeed now."""
    tries = []

    @handles
    def add_notes(work: Work) -> Iterator[None]:
        tries.append(work.done)
        while work.done < 3:
            if work.done == 1 and len(tries) == 1:
                raise JobFailed("The second note is missing.")
            add_note(work, work.done)
            work.result = {"input": work.open().read().decode()}
            yield

    job_id = enqueue(b"three notes")
    run(app, job_id)
    return job_id


@every_database
def test_a_retried_job_is_queued_like_a_new_one(app: Flask, ada: Client, announced: list[int], failed: int) -> None:
    response = ada.post(f"/jobs/{failed}/retry")
    assert response.status_code == 202
    assert response.json == job(ada, failed)
    assert (response.json["status"], response.json["attempts"]) == ("queued", 0)
    assert response.json["error"] is response.json["finished_at"] is None
    assert announced == [failed, failed]
    assert row(app, failed)["wake_at"] is not None


@every_database
def test_a_retried_job_resumes_after_its_last_batch(app: Flask, ada: Client, failed: int) -> None:
    ada.post(f"/jobs/{failed}/retry")
    assert job(ada, failed)["progress"]["done"] == 1
    run(app, failed)
    read = job(ada, failed)
    assert (read["status"], read["attempts"], read["result"]) == ("succeeded", 1, {"input": "three notes"})
    assert titles(ada) == ["0", "1", "2"]


@every_database
def test_a_retried_job_has_all_its_attempts_again(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    @handles
    def fail(work: Work) -> Iterator[None]:
        yield
        raise ConnectionError

    job_id = enqueue()
    for _ in range(2):
        statuses = []
        for _ in range(ATTEMPTS):
            run(app, job_id)
            statuses.append(job(ada, job_id)["status"])
        assert statuses == ["queued", "queued", "failed"]
        ada.post(f"/jobs/{job_id}/retry")


@every_database
@pytest.mark.parametrize("status", ["queued", "running", "succeeded", "cancelled"])
def test_only_a_failed_job_can_be_retried(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, announced: list[int], status: str
) -> None:
    @handles
    def finish(work: Work) -> Iterator[None]:
        yield

    job_id = enqueue()
    if status == "running":
        claim(app, job_id)
    elif status == "succeeded":
        run(app, job_id)
    elif status == "cancelled":
        ada.post(f"/jobs/{job_id}/cancel")
    before = row(app, job_id)
    code, body = problem(ada.post(f"/jobs/{job_id}/retry"))
    assert (code, body["detail"]) == (409, f"Only a failed job can be retried: it is {status}.")
    assert row(app, job_id) == before
    assert announced == [job_id]


@every_database
def test_another_users_job_cannot_be_retried(ada: Client, bob: Client, announced: list[int], failed: int) -> None:
    assert problem(bob.post(f"/jobs/{failed}/retry"))[0] == 404
    assert job(ada, failed)["status"] == "failed"
    assert announced == [failed]


@every_database
def test_one_of_two_concurrent_retries_succeeds(ada: Client, announced: list[int], failed: int) -> None:
    responses = at_once(partial(ada.post, f"/jobs/{failed}/retry"))
    assert sorted(response.status_code for response in responses) == [202, 409]
    assert announced == [failed, failed]


def test_the_retry_command_retries_any_users_job(app: Flask, ada: Client, announced: list[int], failed: int) -> None:
    result = app.test_cli_runner().invoke(args=["jobs", "retry", str(failed)])
    assert (result.exit_code, result.output) == (0, f"Job {failed} is back in the queue.\n")
    assert job(ada, failed)["status"] == "queued"
    assert announced == [failed, failed]


def test_the_retry_command_refuses_a_job_that_has_not_failed(app: Flask, ada: Client, enqueue: Enqueue) -> None:
    job_id = enqueue()
    result = app.test_cli_runner().invoke(args=["jobs", "retry", str(job_id)])
    assert (result.exit_code, result.output) == (1, "Error: Only a failed job can be retried: it is queued.\n")


def test_the_retry_command_refuses_an_unknown_job(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["jobs", "retry", str(2**53)])
    assert (result.exit_code, result.output) == (1, f"Error: There is no job {2**53}.\n")


@pytest.mark.parametrize("job_id", ["0", "-1", "two", str(2**70)])
def test_the_retry_command_refuses_an_invalid_id(app: Flask, job_id: str) -> None:
    result = app.test_cli_runner().invoke(args=["jobs", "retry", "--", job_id])
    assert result.exit_code == 2
    assert "Invalid value for 'JOB_ID'" in result.output
