"""Claims and leases: one worker at a time has a job."""

from collections.abc import Iterator

import pytest
from flask import Flask

from app.core.database import utcnow
from app.jobs import runner
from app.jobs.handlers import JobFailed, Work
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import add_note, claim, job, row, run, sweep, titles, wake
from tests.support.clients import Client, at_once


@every_database
def test_a_running_job_cannot_be_claimed(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    """Only a sweep takes a job back after its lease, so that lost attempts are counted in one place."""
    starts = []

    @handles
    def run_again(work: Work) -> Iterator[None]:
        starts.append(work.claim)
        if len(starts) == 1:
            run(app, work.job_id)
            wake(app, work.job_id)
            run(app, work.job_id)
            yield
            run(app, work.job_id)

    job_id = enqueue()
    run(app, job_id)
    assert len(starts) == 1
    assert (job(ada, job_id)["status"], job(ada, job_id)["attempts"]) == ("succeeded", 1)


@every_database
def test_a_claim_and_each_batch_renew_the_lease(app: Flask, handles: Handles, enqueue: Enqueue) -> None:
    leases = []

    @handles
    def expire_leases(work: Work) -> Iterator[None]:
        for _ in range(3):
            leases.append(row(app, work.job_id)["wake_at"] - utcnow())
            wake(app, work.job_id)
            yield

    run(app, enqueue())
    assert all(runner.LEASE / 2 < lease <= runner.LEASE for lease in leases)
    assert len(leases) == 3


@every_database
def test_a_worker_that_lost_its_claim_writes_nothing(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    starts: list[int] = []
    finished = []

    @handles
    def lose_claim(work: Work) -> Iterator[None]:
        starts.append(work.done)
        if len(starts) == 1:
            yield
            wake(app, work.job_id)
            sweep(app)
            run(app, work.job_id)
            work.done, work.result = 99, {"by": "the slow one"}
        else:
            work.result = {"by": "the quick one"}
        add_note(work, len(starts) * 10 + (work.done == 99))
        yield
        finished.append(work.result)

    job_id = enqueue()
    run(app, job_id)
    read = job(ada, job_id)
    assert starts == [0, 0]
    assert finished == [{"by": "the quick one"}]
    assert (read["status"], read["attempts"], read["result"]) == ("succeeded", 2, {"by": "the quick one"})
    assert (read["progress"]["done"], titles(ada)) == (1, ["20"])


@every_database
@pytest.mark.parametrize("error", [JobFailed("Too slow."), ConnectionError()])
def test_a_worker_that_lost_its_claim_cannot_end_the_job(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, error: Exception
) -> None:
    @handles
    def lose_claim(work: Work) -> Iterator[None]:
        yield
        wake(app, work.job_id)
        sweep(app)
        assert claim(app, work.job_id)  # the other worker has the job now
        raise error

    job_id = enqueue()
    run(app, job_id)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["error"], read["finished_at"]) == ("running", 2, None, None)


@every_database
def test_one_of_several_workers_claims_a_lost_job(app: Flask, handles: Handles, enqueue: Enqueue) -> None:
    """Four processes race for waiting jobs in `tests/system/faults/test_race.py`."""
    starts: list[int] = []

    @handles
    def start(work: Work) -> Iterator[None]:
        starts.append(work.job_id)
        yield

    def sweep_and_run() -> None:
        sweep(app)
        run(app, job_id)

    jobs = [enqueue() for _ in range(10)]
    for job_id in jobs:
        assert claim(app, job_id)
        wake(app, job_id)
        at_once(sweep_and_run)
    assert starts == jobs
