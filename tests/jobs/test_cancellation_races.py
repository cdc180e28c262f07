"""Cancellations that race with the end of the job or with each other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from flask import Flask

from app.core.database import commit
from app.core.errors import Conflict
from app.jobs import service
from app.jobs.handlers import JobFailed, Work
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import add_note, job, run, titles
from tests.support.clients import Client, at_once

ROUNDS = 25


@every_database
@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_a_concurrent_cancellation_and_end_have_one_winner(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, end: str
) -> None:
    owner_id, both_ready = ada.get("/users/me").json["id"], Barrier(2)

    @handles
    def finish(work: Work) -> Iterator[None]:
        yield
        both_ready.wait(timeout=10)
        if end == "failed":
            raise JobFailed("It cannot be done.")
        add_note(work, work.job_id)

    def cancel(job_id: int) -> bool:
        with app.app_context():
            both_ready.wait(timeout=10)
            try:
                service.cancel(owner_id, job_id)
            except Conflict:
                return False
            commit()
            return True

    effects = []
    for _ in range(ROUNDS):
        job_id = enqueue(b"input")
        with ThreadPoolExecutor(1) as worker:
            running = worker.submit(run, app, job_id)
            cancelled = cancel(job_id)
            running.result(timeout=10)
        read = job(ada, job_id)
        assert (cancelled, read["status"]) in ((True, "cancelled"), (False, end))
        assert (read["error"] is None) == (read["status"] != "failed")
        assert read["finished_at"] is not None
        effects += [str(job_id)] * (read["status"] == "succeeded")
    assert titles(ada) == effects


@every_database
def test_one_of_two_concurrent_cancellations_succeeds(ada: Client, enqueue: Enqueue) -> None:
    for _ in range(5):
        responses = at_once(partial(ada.post, f"/jobs/{enqueue()}/cancel"))
        assert sorted(response.status_code for response in responses) == [202, 409]
