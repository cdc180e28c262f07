"""How workers do jobs: once, batch by batch, whatever becomes of a worker."""

from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import mean

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.database import commit, db, utcnow
from app.core.observability import caused_by, request_id
from app.jobs import runner
from app.jobs.models import JobInput
from app.jobs.runner import JobFailed, Work
from tests.conftest import every_database
from tests.jobs.conftest import KIND, Enqueue, Handles
from tests.jobs.workers import add_book, claim, job, row, run, shelf, sweep, wake
from tests.support.clients import Client, at_once


@every_database
def test_a_job_runs_batch_by_batch(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    shelves = []

    @handles
    def add_books(work: Work) -> Iterator[None]:
        work.total = 3
        for number in range(3):
            add_book(work, number)
            yield
            shelves.append(shelf(ada))
        work.result = {"added": 3}

    job_id = enqueue()
    run(app, job_id)
    assert shelves == [["0"], ["0", "1"], ["0", "1", "2"]]
    read = job(ada, job_id)
    assert (read["status"], read["progress"], read["result"]) == ("succeeded", {"done": 3, "total": 3}, {"added": 3})


@every_database
def test_a_finished_job_does_not_run_again(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    starts = []

    @handles
    def start(work: Work) -> Iterator[None]:
        starts.append(work.job_id)
        yield

    job_id = enqueue()
    for _ in range(3):
        run(app, job_id)
    assert starts == [job_id]
    assert job(ada, job_id)["attempts"] == 1


def test_a_message_about_a_deleted_job_is_ignored(app: Flask) -> None:
    run(app, 2**53)


@every_database
def test_a_handler_reads_its_whole_input(app: Flask, handles: Handles, enqueue: Enqueue) -> None:
    data = bytes(range(256)) * 5000  # more than two parts
    read = []

    @handles
    def look(work: Work) -> Iterator[None]:
        read.extend([work.open().read(), work.open().read(10)])
        yield

    run(app, enqueue(data))
    assert read == [data, data[:10]]


@every_database
@pytest.mark.parametrize("end", ["succeeded", "cancelled"])
def test_the_input_of_a_job_is_deleted_at_its_end(app: Flask, ada: Client, enqueue: Enqueue, end: str) -> None:
    job_id = enqueue(b"input")
    if end == "cancelled":
        ada.post(f"/jobs/{job_id}/cancel")
    else:
        run(app, job_id)
    assert job(ada, job_id)["status"] == end
    with app.app_context():
        assert db.session.scalar(select(func.count()).where(JobInput.job_id == job_id)) == 0


@every_database
def test_a_running_job_cannot_be_claimed(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    """Not even after its lease: only a sweep takes it back, so that one place counts what was lost."""
    starts = []

    @handles
    def meet_another_worker(work: Work) -> Iterator[None]:
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
    def be_slow(work: Work) -> Iterator[None]:
        for _ in range(3):
            leases.append(row(app, work.job_id)["wake_at"] - utcnow())
            wake(app, work.job_id)
            yield

    run(app, enqueue())
    assert all(runner.LEASE / 2 < lease <= runner.LEASE for lease in leases)
    assert len(leases) == 3


@every_database
def test_a_job_of_a_killed_worker_resumes_after_its_last_batch(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    class Killed(BaseException):
        """As if the process were gone: nothing that it has not committed remains, and nothing is told."""

    resumed_at = []

    @handles
    def add_books(work: Work) -> Iterator[None]:
        resumed_at.append((work.done, work.total, dict(work.result)))
        work.total = 3
        while work.done < 3:
            add_book(work, work.done)
            if len(resumed_at) == 1 and work.done == 2:
                raise Killed
            work.result = {"last": work.done}
            yield

    job_id = enqueue()
    with pytest.raises(Killed):
        run(app, job_id)
    assert (job(ada, job_id)["status"], shelf(ada)) == ("running", ["0"])
    wake(app, job_id)
    sweep(app)
    run(app, job_id)
    assert resumed_at == [(0, None, {}), (1, 3, {"last": 1})]
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["result"]) == ("succeeded", 2, {"last": 3})
    assert shelf(ada) == ["0", "1", "2"]


@every_database
def test_a_job_that_raised_resumes_after_its_last_batch(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    resumed_at = []

    @handles
    def add_books(work: Work) -> Iterator[None]:
        resumed_at.append(work.done)
        while work.done < 3:
            add_book(work, work.done)
            if len(resumed_at) == 1 and work.done == 2:
                raise ConnectionError
            yield

    job_id = enqueue()
    run(app, job_id)
    read = job(ada, job_id)
    assert (read["status"], read["progress"]["done"], shelf(ada)) == ("queued", 1, ["0"])
    run(app, job_id)
    assert resumed_at == [0, 1]
    assert (job(ada, job_id)["status"], shelf(ada)) == ("succeeded", ["0", "1", "2"])


@every_database
def test_a_job_that_raised_is_announced_again_after_a_pause(
    app: Flask, handles: Handles, enqueue: Enqueue, announced: list[int]
) -> None:
    @handles
    def break_off(work: Work) -> Iterator[None]:
        yield
        raise ConnectionError

    job_id = enqueue()
    for attempt in (1, 2):
        run(app, job_id)
        sweep(app)
        assert announced == [job_id] * attempt
        wake(app, job_id)
        sweep(app)
        assert announced == [job_id] * (attempt + 1)
    run(app, job_id)
    sweep(app)
    assert len(announced) == 3


def test_the_pause_before_another_attempt_grows_and_varies(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(runner, "utcnow", lambda: now)
    pauses = {
        attempt: [(runner._after_fault(attempt)["wake_at"] - now).total_seconds() for _ in range(200)]
        for attempt in (1, 2)
    }
    for attempt, seconds in ((1, 2), (2, 4)):
        assert 0.5 * seconds <= min(pauses[attempt]) < 0.7 * seconds
        assert 1.3 * seconds < max(pauses[attempt]) <= 1.5 * seconds
    assert mean(pauses[2]) > 1.5 * mean(pauses[1])


@every_database
def test_a_stopping_worker_requeues_its_job_without_counting_the_attempt(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, announced: list[int]
) -> None:
    resumed_at = []

    @handles
    def add_books(work: Work) -> Iterator[None]:
        resumed_at.append(work.done)
        while work.done < 2:
            add_book(work, work.done)
            work.result = {"last": work.done}
            yield

    job_id = enqueue()
    with app.app_context():
        runner.run(job_id, go_on=lambda: False)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["progress"]["done"]) == ("queued", 0, 1)
    assert (read["result"], shelf(ada), announced) == ({"last": 1}, ["0"], [job_id, job_id])
    assert row(app, job_id)["claim"] is None
    run(app, job_id)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], resumed_at) == ("succeeded", 1, [0, 1])


@every_database
def test_a_stopping_worker_does_not_requeue_a_cancelled_job(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, announced: list[int]
) -> None:
    @handles
    def start(work: Work) -> Iterator[None]:
        yield

    def cancel_and_stop() -> bool:
        assert ada.post(f"/jobs/{job_id}/cancel").status_code == 202
        return False

    job_id = enqueue()
    with app.app_context():
        runner.run(job_id, go_on=cancel_and_stop)
    assert job(ada, job_id)["status"] == "cancelled"
    assert announced == [job_id]


@every_database
def test_effect_and_progress_are_committed_together(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    @handles
    def add_books(work: Work) -> Iterator[None]:
        for number in range(2):
            add_book(work, number)
            yield

    def look() -> None:
        seen.append((len(shelf(ada)), job(ada, job_id)["progress"]["done"]))

    def look_commit_and_look() -> None:
        look()
        commit()
        look()

    job_id = enqueue()
    monkeypatch.setattr(runner, "commit", look_commit_and_look)
    run(app, job_id)
    claim, first, second, end = [(0, 0)] * 2, [(0, 0), (1, 1)], [(1, 1), (2, 2)], [(2, 2)] * 2
    assert seen == claim + first + second + end


@every_database
def test_a_job_fails_after_three_attempts(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    @handles
    def break_off(work: Work) -> Iterator[None]:
        add_book(work, work.done)
        yield
        add_book(work, work.done)
        raise ConnectionError("the password is hunter2")

    job_id = enqueue()
    statuses = []
    for _ in range(4):
        run(app, job_id)
        statuses.append(job(ada, job_id)["status"])
    assert statuses == ["queued", "queued", "failed", "failed"]
    read = job(ada, job_id)
    assert read["attempts"] == 3
    assert read["error"] == "It broke off 3 times; the server's log says why."
    assert read["finished_at"] is not None
    assert (read["progress"]["done"], shelf(ada)) == (3, ["0", "1", "2"])


@every_database
def test_a_job_of_an_unknown_kind_stays_queued(
    app: Flask, ada: Client, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = enqueue()
    monkeypatch.delitem(runner._handlers, KIND)
    run(app, job_id)
    assert (job(ada, job_id)["status"], job(ada, job_id)["attempts"]) == ("queued", 0)


@every_database
def test_job_failed_ends_the_job_at_once_and_rolls_back_the_batch(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    @handles
    def fail(work: Work) -> Iterator[None]:
        add_book(work, 0)
        work.result = {"added": 1}
        yield
        add_book(work, 1)
        work.result = {"added": 2}
        raise JobFailed("The second book is no good.")

    job_id = enqueue()
    for _ in range(2):
        run(app, job_id)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["error"]) == ("failed", 1, "The second book is no good.")
    assert (read["progress"]["done"], read["result"], shelf(ada)) == (1, {"added": 1}, ["0"])
    assert read["finished_at"] is not None


@every_database
def test_a_worker_that_lost_its_claim_writes_nothing(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    starts: list[int] = []
    finished = []

    @handles
    def be_overtaken(work: Work) -> Iterator[None]:
        starts.append(work.done)
        if len(starts) == 1:
            yield
            wake(app, work.job_id)
            sweep(app)
            run(app, work.job_id)
            work.done, work.result = 99, {"by": "the slow one"}
        else:
            work.result = {"by": "the quick one"}
        add_book(work, len(starts) * 10 + (work.done == 99))
        yield
        finished.append(work.result)

    job_id = enqueue()
    run(app, job_id)
    read = job(ada, job_id)
    assert starts == [0, 0]
    assert finished == [{"by": "the quick one"}]
    assert (read["status"], read["attempts"], read["result"]) == ("succeeded", 2, {"by": "the quick one"})
    assert (read["progress"]["done"], shelf(ada)) == (1, ["20"])


@every_database
@pytest.mark.parametrize("error", [JobFailed("Too slow."), ConnectionError()])
def test_a_worker_that_lost_its_claim_cannot_end_the_job(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, error: Exception
) -> None:
    @handles
    def be_overtaken(work: Work) -> Iterator[None]:
        yield
        wake(app, work.job_id)
        sweep(app)
        assert claim(app, work.job_id)  # the other worker goes on while this one ends
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


def test_a_job_has_the_request_id_of_its_request(app: Flask, handles: Handles, enqueue: Enqueue) -> None:
    seen = []

    @handles
    def look(work: Work) -> Iterator[None]:
        seen.append(request_id())
        yield

    with caused_by("the-request-that-asked", 0):
        job_id = enqueue()
    run(app, job_id)
    assert seen == ["the-request-that-asked"]
    assert request_id() is None
