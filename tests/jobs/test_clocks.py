"""Leases, retries and heartbeats when the clock of a process differs from the database's clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Self

import pytest
from flask import Flask

from app.core.database import types
from app.jobs import workers
from app.jobs.handlers import Work
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue, Handles
from tests.jobs.workers import claim, row, run, sweep, wake

every_skew = pytest.mark.parametrize("skew", [25, -25], ids=["25 s ahead", "25 s behind"])


@contextmanager
def clock_moved_by(skew: int) -> Iterator[None]:
    """Move the clock of this process by some seconds."""

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=skew)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(types, "datetime", Skewed)
        yield


@every_database
@every_skew
def test_a_sweeper_with_a_wrong_clock_does_not_take_a_living_job(app: Flask, enqueue: Enqueue, skew: int) -> None:
    job_id = enqueue()
    assert claim(app, job_id)
    before = row(app, job_id)
    with clock_moved_by(skew):
        assert sweep(app) == 0
    assert row(app, job_id) == before


@every_database
@every_skew
def test_a_worker_with_a_wrong_clock_keeps_its_living_job(
    app: Flask, enqueue: Enqueue, handles: Handles, skew: int
) -> None:
    swept = []

    @handles
    def sweep_twice(_work: Work) -> Iterator[None]:
        swept.append(sweep(app))
        with clock_moved_by(skew):
            yield
        swept.append(sweep(app))

    job_id = enqueue()
    with clock_moved_by(skew):
        assert claim(app, job_id)
    assert sweep(app) == 0
    run(app, enqueue())
    assert swept == [0, 0]


@every_database
@every_skew
def test_a_sweeper_with_a_wrong_clock_takes_a_lost_job(app: Flask, enqueue: Enqueue, skew: int) -> None:
    job_id = enqueue()
    assert claim(app, job_id)
    wake(app, job_id)
    with clock_moved_by(skew):
        assert sweep(app) == 1
    assert row(app, job_id)["status"] == "queued"


@every_database
def test_a_worker_whose_clock_is_behind_pauses_before_another_attempt(
    app: Flask, enqueue: Enqueue, handles: Handles
) -> None:
    def fail(_work: Work) -> Iterator[None]:
        yield
        raise ConnectionError

    handles(fail, backoff=lambda _failed: timedelta(seconds=40))  # varied by a half
    job_id = enqueue()
    with clock_moved_by(-70):
        run(app, job_id)
    assert sweep(app) == 0


@every_database
@every_skew
def test_the_heartbeat_of_a_worker_with_a_wrong_clock_counts(app: Flask, skew: int) -> None:
    with app.app_context():
        with clock_moved_by(skew):
            workers.beat("worker")
        assert len(workers.live_workers()) == 1


@every_database
def test_the_times_of_a_job_are_in_order_whatever_the_clocks(app: Flask, enqueue: Enqueue) -> None:
    with clock_moved_by(25):
        job_id = enqueue()
    with clock_moved_by(-25):
        run(app, job_id)
    job = row(app, job_id)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
