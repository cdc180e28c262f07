"""`/jobs`: reading and listing."""

from collections.abc import Callable, Iterator

import pytest

from app.jobs.handlers import Work
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import job
from tests.support.clients import Client, problem

ABSENT = 2**53


def finish(work: Work) -> Iterator[None]:
    work.result = {"answer": 42}
    yield


@every_database
def test_a_queued_job_can_be_read(ada: Client, enqueue: Enqueue) -> None:
    job_id = enqueue()
    read = job(ada, job_id)
    assert read.pop("created_at").endswith("Z")
    assert read == {
        "id": job_id,
        "kind": "tests.kind",
        "status": "queued",
        "progress": {"done": 0, "total": None},
        "attempts": 0,
        "result": None,
        "error": None,
        "started_at": None,
        "finished_at": None,
    }


@every_database
def test_a_finished_job_has_its_result(
    ada: Client, enqueue: Enqueue, handles: Handles, run_jobs: Callable[[], None]
) -> None:
    handles(finish)
    job_id = enqueue()
    run_jobs()
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["result"], read["error"]) == ("succeeded", 1, {"answer": 42}, None)
    assert read["created_at"] <= read["started_at"] <= read["finished_at"]


def test_a_running_job_has_its_progress(
    ada: Client, enqueue: Enqueue, handles: Handles, run_jobs: Callable[[], None]
) -> None:
    seen = []

    @handles
    def read_itself(work: Work) -> Iterator[None]:
        work.done, work.total = 3, 7
        yield
        seen.append(job(ada, work.job_id))

    enqueue()
    run_jobs()
    assert [(read["status"], read["progress"]) for read in seen] == [("running", {"done": 3, "total": 7})]
    assert seen[0]["started_at"] is not None
    assert seen[0]["finished_at"] is None


@every_database
def test_jobs_are_listed_newest_first(ada: Client, enqueue: Enqueue) -> None:
    jobs = [enqueue() for _ in range(3)]
    assert [item["id"] for item in ada.get("/jobs").json["items"]] == jobs[::-1]
    assert [item["id"] for item in ada.get("/jobs?sort=id").json["items"]] == jobs


def test_a_listed_job_equals_the_single_job(ada: Client, enqueue: Enqueue) -> None:
    job_id = enqueue()
    assert ada.get("/jobs").json == {"items": [job(ada, job_id)], "next_cursor": None}


def test_the_list_of_jobs_is_paginated(ada: Client, enqueue: Enqueue) -> None:
    jobs = [enqueue() for _ in range(3)]
    first = ada.get("/jobs?limit=2")
    second = ada.get("~" + first.headers["Link"].partition(">")[0].strip("<"))
    assert [item["id"] for page in (first, second) for item in page.json["items"]] == jobs[::-1]
    assert first.json["next_cursor"]
    assert second.json["next_cursor"] is None


@every_database
def test_another_users_job_gets_the_404_of_an_unknown_id(ada: Client, bob: Client, enqueue: Enqueue) -> None:
    job_id = enqueue()
    for method, action in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        theirs = problem(bob.open(method, f"/jobs/{job_id}{action}"))
        assert theirs == problem(bob.open(method, f"/jobs/{ABSENT}{action}"))
        assert theirs[0] == 404
    assert bob.get("/jobs").json["items"] == []
    assert job(ada, job_id)["status"] == "queued"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs"), ("GET", "/jobs/1"), ("POST", "/jobs/1/cancel"), ("POST", "/jobs/1/retry")],
)
def test_jobs_require_a_token(anonymous: Client, method: str, path: str) -> None:
    assert problem(anonymous.open(method, path))[0] == 401
