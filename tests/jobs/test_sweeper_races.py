"""Sweeps that race with each other, and with other changes."""

from functools import partial
from threading import Barrier, local
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.core.database import db, utcnow
from app.jobs import sweeper
from app.jobs.handlers import ATTEMPTS
from app.jobs.models import Job
from tests.conftest import every_database
from tests.jobs.conftest import Enqueue
from tests.jobs.workers import lose, row, sweep, wake
from tests.support.clients import Client, at_once


@every_database
def test_concurrent_sweeps_change_each_job_once(
    app: Flask, enqueue: Enqueue, announced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweepers, wake_one = 4, sweeper._wake
    all_have_looked, here = Barrier(sweepers), local()

    def wait_and_wake(due: Any) -> bool:
        if not hasattr(here, "waited"):
            here.waited = True
            all_have_looked.wait(timeout=10)
        return wake_one(due)

    jobs = [enqueue() for _ in range(12)]
    for job_id in jobs[::2]:
        lose(app, job_id)
    for _ in range(ATTEMPTS - 1):
        sweep(app)
        lose(app, jobs[0])
    wake(app, *jobs)
    announced.clear()
    monkeypatch.setattr(sweeper, "_wake", wait_and_wake)
    assert sum(at_once(partial(sweep, app), sweepers)) == len(jobs)
    assert sorted(announced) == jobs[1:]
    assert [row(app, job_id)["status"] for job_id in jobs] == ["failed"] + ["queued"] * 11


@every_database
@pytest.mark.parametrize("meanwhile", ["a batch", "a cancellation"])
def test_a_sweep_does_not_overwrite_a_concurrent_change(
    app: Flask, ada: Client, enqueue: Enqueue, announced: list[int], monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    wake_one = sweeper._wake
    seen: list[dict[str, Any]] = []

    def change_and_wake(due: Any) -> bool:
        if meanwhile == "a batch":
            with app.app_context():
                db.session.execute(update(Job).values(wake_at=utcnow()))
                db.session.commit()
        else:
            ada.post(f"/jobs/{job_id}/cancel")
        seen.append(row(app, job_id))
        return wake_one(due)

    job_id = enqueue()
    lose(app, job_id)
    monkeypatch.setattr(sweeper, "_wake", change_and_wake)
    assert sweep(app) == 0
    assert seen == [row(app, job_id)]
    assert announced == [job_id]
