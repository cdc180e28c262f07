"""Four workers, each a process of its own, that race for the same jobs."""

from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import insert, select

from app import create_app
from app.books.service import IMPORT
from app.core.database import db, utcnow
from app.jobs import runner
from app.jobs.models import Job
from app.users.models import User
from tests.conftest import every_database, make_settings
from tests.support.clients import Client

WORKERS = 4
JOBS = 300
PATIENCE = 60  # seconds

processes = get_context("spawn")


def race(url: str, folder: Path, jobs: list[int], ready: Any, won: Any) -> None:
    """Be a worker: reach for each job at the same moment as the others, and send the claims of those that it got."""
    app = create_app(make_settings(url, f"sqla+sqlite:///{folder}/broker.db"))
    claims = {}
    for job_id in jobs:
        with app.app_context():
            db.session.scalar(select(1))  # connects, so that nothing but the claim is left to do
            db.session.rollback()
            ready.wait(PATIENCE)
            if job := runner._claim(job_id):
                claims[job.id] = job.claim
    won.send(claims)


@every_database
def test_each_of_300_jobs_that_four_workers_race_for_is_claimed_once(app: Flask, ada: Client, tmp_path: Path) -> None:
    with app.app_context():
        owner_id = db.session.scalar(select(User.id))
        waiting = {"owner_id": owner_id, "kind": IMPORT, "created_at": utcnow(), "wake_at": utcnow()}
        db.session.execute(insert(Job), [waiting for _ in range(JOBS)])
        db.session.commit()
        jobs = list(db.session.scalars(select(Job.id)))

    url = app.extensions["settings"].database_url.get_secret_value()
    ready, workers, won = processes.Barrier(WORKERS), [], []
    try:
        for _ in range(WORKERS):
            mine, theirs = processes.Pipe(duplex=False)
            workers.append(processes.Process(target=race, args=(url, tmp_path, jobs, ready, theirs)))
            workers[-1].start()
            theirs.close()  # so that the end of the process is the end of the pipe
            won.append(mine)
        claims = [claim for pipe in won for claim in pipe.recv().items()]
    finally:
        for worker in workers:
            worker.kill()

    assert len(claims) == JOBS
    with app.app_context():
        rows = db.session.execute(select(Job.id, Job.claim, Job.attempts)).all()
    assert {row.id: row.claim for row in rows} == dict(claims)
    assert Counter(row.attempts for row in rows) == {1: JOBS}
