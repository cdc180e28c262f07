"""The Celery task that runs a job: a TERM between two batches, and the time limit of a batch."""

import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from flask import Flask

from app.jobs import runner, tasks
from app.jobs.handlers import Work
from app.jobs.service import RUN
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import row

pytestmark = pytest.mark.timeout(method="thread")  # the task uses SIGALRM itself

RunTask = Callable[[int], None]


@pytest.fixture
def run_task(app: Flask, announced: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[RunTask]:
    """Run the task as a child process of a worker does. A second message is added to the announced ones."""
    monkeypatch.setattr(tasks, "publish", lambda _task, job_id: announced.append(job_id))
    monkeypatch.setattr(tasks, "_stop", SimpleNamespace(requested=False))
    monkeypatch.setattr(tasks, "PARENT_STOPS_WITHIN", 0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield app.extensions["celery"].tasks[RUN]
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def time_left() -> float:
    """The seconds until the time limit. Without a limit, zero."""
    return signal.getitimer(signal.ITIMER_REAL)[0]


def test_the_task_runs_the_job_and_then_removes_the_time_limit(app: Flask, run_task: RunTask, enqueue: Enqueue) -> None:
    job_id = enqueue()
    run_task(job_id)
    assert row(app, job_id)["status"] == "succeeded"
    assert time_left() == 0


def test_a_term_ends_the_job_after_its_batch_and_another_worker_can_resume_it(
    app: Flask, run_task: RunTask, enqueue: Enqueue, handles: Handles, announced: list[int]
) -> None:
    @handles
    def three_batches(work: Work) -> Iterator[None]:
        for _ in range(work.done, 3):
            work.done += 1
            if work.done == 2:
                signal.raise_signal(signal.SIGTERM)
            yield

    job_id = enqueue()
    announced.clear()
    run_task(job_id)
    job = row(app, job_id)
    assert (job["status"], job["done"], job["attempts"]) == ("queued", 2, 0)
    assert announced == [job_id]

    with app.app_context():
        runner.run(job_id)
    assert (row(app, job_id)["status"], row(app, job_id)["done"]) == ("succeeded", 3)


def test_a_worker_that_is_stopping_passes_the_message_on(
    app: Flask, run_task: RunTask, enqueue: Enqueue, announced: list[int]
) -> None:
    first, second = enqueue(), enqueue()
    run_task(first)
    signal.raise_signal(signal.SIGTERM)
    announced.clear()
    run_task(second)
    assert announced == [second]
    assert (row(app, second)["status"], row(app, second)["attempts"]) == ("queued", 0)


def test_each_batch_has_the_whole_lease_as_its_time_limit(
    app: Flask, run_task: RunTask, enqueue: Enqueue, handles: Handles
) -> None:
    limits = []

    @handles
    def measure(_work: Work) -> Iterator[None]:
        limits.append(time_left())
        signal.setitimer(signal.ITIMER_REAL, 3600)
        yield
        limits.append(time_left())

    job_id = enqueue()
    run_task(job_id)
    assert row(app, job_id)["status"] == "succeeded"
    assert [0 < limit <= runner.LEASE.total_seconds() for limit in limits] == [True, True]


def test_a_batch_that_exceeds_the_time_limit_is_rolled_back_and_tried_again(
    app: Flask, run_task: RunTask, enqueue: Enqueue, handles: Handles, caplog: pytest.LogCaptureFixture
) -> None:
    @handles
    def too_slow(work: Work) -> Iterator[None]:
        work.done += 1
        yield
        work.done += 1
        signal.raise_signal(signal.SIGALRM)  # as the timer does
        yield

    job_id = enqueue()
    run_task(job_id)
    job = row(app, job_id)
    assert (job["status"], job["done"], job["attempts"]) == ("queued", 1, 1)
    assert "TimeoutError: the batch took longer than the lease" in caplog.text
    assert time_left() == 0
