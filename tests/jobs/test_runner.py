"""The runner: it executes a job batch by batch."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.database import commit, db
from app.core.observability import caused_by, request_id
from app.jobs import runner
from app.jobs.handlers import Work, kinds
from app.jobs.models import JobInput
from tests.conftest import every_database
from tests.jobs.conftest import KIND, Enqueue, Handles
from tests.jobs.workers import add_note, job, row, run, titles
from tests.support.clients import Client


@every_database
def test_a_job_runs_batch_by_batch(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    seen = []

    @handles
    def add_notes(work: Work) -> Iterator[None]:
        work.total = 3
        for number in range(3):
            add_note(work, number)
            yield
            seen.append(titles(ada))
        work.result = {"added": 3}

    job_id = enqueue()
    run(app, job_id)
    assert seen == [["0"], ["0", "1"], ["0", "1", "2"]]
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
    def record(work: Work) -> Iterator[None]:
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
def test_a_stopping_worker_requeues_its_job_without_counting_the_attempt(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue, announced: list[int]
) -> None:
    resumed_at = []

    @handles
    def add_notes(work: Work) -> Iterator[None]:
        resumed_at.append(work.done)
        while work.done < 2:
            add_note(work, work.done)
            work.result = {"last": work.done}
            yield

    job_id = enqueue()
    with app.app_context():
        runner.run(job_id, go_on=lambda: False)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["progress"]["done"]) == ("queued", 0, 1)
    assert (read["result"], titles(ada), announced) == ({"last": 1}, ["0"], [job_id, job_id])
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
    def add_notes(work: Work) -> Iterator[None]:
        for number in range(2):
            add_note(work, number)
            yield

    def record() -> None:
        seen.append((len(titles(ada)), job(ada, job_id)["progress"]["done"]))

    def record_around_commit() -> None:
        record()
        commit()
        record()

    job_id = enqueue()
    monkeypatch.setattr(runner, "commit", record_around_commit)
    run(app, job_id)
    claim, first, second, end = [(0, 0)] * 2, [(0, 0), (1, 1)], [(1, 1), (2, 2)], [(2, 2)] * 2
    assert seen == claim + first + second + end


@every_database
def test_a_job_of_an_unknown_kind_stays_queued(
    app: Flask, ada: Client, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = enqueue()
    monkeypatch.delitem(kinds, KIND)
    run(app, job_id)
    assert (job(ada, job_id)["status"], job(ada, job_id)["attempts"]) == ("queued", 0)


def test_a_job_has_the_request_id_of_its_request(app: Flask, handles: Handles, enqueue: Enqueue) -> None:
    seen = []

    @handles
    def record(work: Work) -> Iterator[None]:
        seen.append(request_id())
        yield

    with caused_by("the-request-of-the-job", 0):
        job_id = enqueue()
    run(app, job_id)
    assert seen == ["the-request-of-the-job"]
    assert request_id() is None
