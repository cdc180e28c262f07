"""Jobs whose handler raises, or whose worker is killed."""

from collections.abc import Iterator
from statistics import mean

import pytest
from flask import Flask

from app.jobs import runner
from app.jobs.handlers import JobFailed, Kind, Work, exponential
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import add_note, job, run, sweep, titles, wake
from tests.support.clients import Client


@every_database
def test_a_job_of_a_killed_worker_resumes_after_its_last_batch(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    class Killed(BaseException):
        """The worker is killed: uncommitted changes are lost, and no handler runs."""

    resumed_at = []

    @handles
    def add_notes(work: Work) -> Iterator[None]:
        resumed_at.append((work.done, work.total, dict(work.result)))
        work.total = 3
        while work.done < 3:
            add_note(work, work.done)
            if len(resumed_at) == 1 and work.done == 2:
                raise Killed
            work.result = {"last": work.done}
            yield

    job_id = enqueue()
    with pytest.raises(Killed):
        run(app, job_id)
    assert (job(ada, job_id)["status"], titles(ada)) == ("running", ["0"])
    wake(app, job_id)
    sweep(app)
    run(app, job_id)
    assert resumed_at == [(0, None, {}), (1, 3, {"last": 1})]
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["result"]) == ("succeeded", 2, {"last": 3})
    assert titles(ada) == ["0", "1", "2"]


@every_database
def test_a_job_that_raised_resumes_after_its_last_batch(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    resumed_at = []

    @handles
    def add_notes(work: Work) -> Iterator[None]:
        resumed_at.append(work.done)
        while work.done < 3:
            add_note(work, work.done)
            if len(resumed_at) == 1 and work.done == 2:
                raise ConnectionError
            yield

    job_id = enqueue()
    run(app, job_id)
    read = job(ada, job_id)
    assert (read["status"], read["progress"]["done"], titles(ada)) == ("queued", 1, ["0"])
    run(app, job_id)
    assert resumed_at == [0, 1]
    assert (job(ada, job_id)["status"], titles(ada)) == ("succeeded", ["0", "1", "2"])


@every_database
def test_a_job_that_raised_is_announced_again_after_a_pause(
    app: Flask, handles: Handles, enqueue: Enqueue, announced: list[int]
) -> None:
    def fail(work: Work) -> Iterator[None]:
        yield
        raise ConnectionError

    handles(fail, backoff=exponential)
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


def test_the_pause_before_another_attempt_grows_and_varies() -> None:
    kind = Kind(lambda _work: iter(()), attempts=3, backoff=exponential)
    pauses = {
        attempt: [runner._after_error(kind, attempt).changes["wake_at"].offset.total_seconds() for _ in range(200)]
        for attempt in (1, 2)
    }
    for attempt, seconds in ((1, 2), (2, 4)):
        assert 0.5 * seconds <= min(pauses[attempt]) < 0.7 * seconds
        assert 1.3 * seconds < max(pauses[attempt]) <= 1.5 * seconds
    assert mean(pauses[2]) > 1.5 * mean(pauses[1])


@every_database
def test_a_job_fails_after_three_attempts(app: Flask, ada: Client, handles: Handles, enqueue: Enqueue) -> None:
    @handles
    def fail(work: Work) -> Iterator[None]:
        add_note(work, work.done)
        yield
        add_note(work, work.done)
        raise ConnectionError("the password is hunter2")

    job_id = enqueue()
    statuses = []
    for _ in range(4):
        run(app, job_id)
        statuses.append(job(ada, job_id)["status"])
    assert statuses == ["queued", "queued", "failed", "failed"]
    read = job(ada, job_id)
    assert read["attempts"] == 3
    assert read["error"] == "Internal error in attempt 3 of 3. Quote the id of the job to support."
    assert read["finished_at"] is not None
    assert (read["progress"]["done"], titles(ada)) == (3, ["0", "1", "2"])


@every_database
def test_job_failed_ends_the_job_at_once_and_rolls_back_the_batch(
    app: Flask, ada: Client, handles: Handles, enqueue: Enqueue
) -> None:
    @handles
    def fail(work: Work) -> Iterator[None]:
        add_note(work, 0)
        work.result = {"added": 1}
        yield
        add_note(work, 1)
        work.result = {"added": 2}
        raise JobFailed("The second note is invalid.")

    job_id = enqueue()
    for _ in range(2):
        run(app, job_id)
    read = job(ada, job_id)
    assert (read["status"], read["attempts"], read["error"]) == ("failed", 1, "The second note is invalid.")
    assert (read["progress"]["done"], read["result"], titles(ada)) == (1, {"added": 1}, ["0"])
    assert read["finished_at"] is not None


@pytest.mark.parametrize("error", [JobFailed("The third note is invalid."), ConnectionError()])
def test_the_log_shows_the_progress_that_was_committed(
    app: Flask, handles: Handles, enqueue: Enqueue, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    @handles
    def fail(work: Work) -> Iterator[None]:
        work.done = 2
        yield
        work.done = 3
        raise error

    run(app, enqueue())
    lines = [line.getMessage() for line in caplog.records if line.name == "app.jobs.runner"]
    assert lines[-1].endswith(", at 2")
