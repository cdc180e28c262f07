"""`POST /jobs/<id>/cancel`."""

from collections.abc import Callable, Iterator

import pytest

from app.jobs.handlers import Handler, JobFailed, Work
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import job
from tests.support.clients import Client, problem
from tests.support.factories import code, note
from tests.support.notes import service as notes


def finish(work: Work) -> Iterator[None]:
    work.result = {"answer": 42}
    yield


def fail(work: Work) -> Iterator[None]:
    yield
    raise JobFailed("The reason.")


@every_database
def test_a_cancelled_queued_job_never_runs(
    ada: Client, run_jobs: Callable[[], None], enqueue: Enqueue, handles: Handles
) -> None:
    started = []

    @handles
    def start(work: Work) -> Iterator[None]:
        started.append(work.job_id)
        yield

    cancelled, other = enqueue(), enqueue()
    response = ada.post(f"/jobs/{cancelled}/cancel")
    assert (response.status_code, response.json["status"]) == (202, "cancelled")
    assert response.json["finished_at"] is not None
    run_jobs()
    assert started == [other]
    assert job(ada, cancelled) == response.json


@every_database
def test_a_second_cancellation_gets_409(ada: Client, enqueue: Enqueue) -> None:
    job_id = enqueue()
    first = ada.post(f"/jobs/{job_id}/cancel")
    assert problem(ada.post(f"/jobs/{job_id}/cancel"))[0] == 409
    assert job(ada, job_id) == first.json


@every_database
@pytest.mark.parametrize(("handler", "status"), [(finish, "succeeded"), (fail, "failed")])
def test_a_finished_job_cannot_be_cancelled(
    ada: Client,
    enqueue: Enqueue,
    handles: Handles,
    run_jobs: Callable[[], None],
    handler: Handler,
    status: str,
) -> None:
    handles(handler)
    job_id = enqueue()
    run_jobs()
    ended = job(ada, job_id)
    code, body = problem(ada.post(f"/jobs/{job_id}/cancel"))
    assert code == 409
    assert status in body["detail"]
    assert job(ada, job_id) == ended
    assert ended["status"] == status


@every_database
def test_a_cancelled_running_job_stops_before_its_next_batch(
    ada: Client, enqueue: Enqueue, handles: Handles, run_jobs: Callable[[], None]
) -> None:
    batches = []

    @handles
    def add_notes(work: Work) -> Iterator[None]:
        for number in range(4):
            batches.append(number)
            if number == 2:
                assert ada.post(f"/jobs/{work.job_id}/cancel").status_code == 202
            notes.create(work.owner_id, **note(code=code(number)))
            work.done = number + 1
            yield

    job_id = enqueue()
    run_jobs()
    read = job(ada, job_id)
    assert batches == [0, 1, 2]
    assert (read["status"], read["progress"]["done"], read["error"]) == ("cancelled", 2, None)
    assert read["finished_at"] is not None
    assert [item["code"] for item in ada.get("/notes").json["items"]] == [code(0), code(1)]


@every_database
def test_a_cancelled_job_that_then_fails_stays_cancelled(
    ada: Client, enqueue: Enqueue, handles: Handles, run_jobs: Callable[[], None]
) -> None:
    @handles
    def fail(work: Work) -> Iterator[None]:
        yield
        ada.post(f"/jobs/{work.job_id}/cancel")
        raise ConnectionError

    job_id = enqueue()
    run_jobs()
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["error"]) == ("cancelled", 1, None)
