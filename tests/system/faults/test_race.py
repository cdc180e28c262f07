"""Four worker processes claim the same jobs at the same time."""

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
TIMEOUT = 120  # seconds

processes = get_context("spawn")


def claim_all(url: str, folder: Path, jobs: list[int], ready: Any, results: Any) -> None:
    """Claim each job at the same moment as the other workers, and send the claims that succeeded."""
    app = create_app(make_settings(url, f"sqla+sqlite:///{folder}/broker.db"))
    claims = {}
    for job_id in jobs:
        with app.app_context():
            db.session.scalar(select(1))  # connects, so that only the claim is left
            db.session.rollback()
            ready.wait(TIMEOUT)
            if job := runner._claim(job_id):
                claims[job.id] = job.claim
    results.send(claims)


@every_database
def test_each_of_300_jobs_is_claimed_by_one_of_four_workers(app: Flask, ada: Client, tmp_path: Path) -> None:
    with app.app_context():
        owner_id = db.session.scalar(select(User.id))
        waiting = {"owner_id": owner_id, "kind": IMPORT, "created_at": utcnow(), "wake_at": utcnow()}
        db.session.execute(insert(Job), [waiting for _ in range(JOBS)])
        db.session.commit()
        jobs = list(db.session.scalars(select(Job.id)))

    url = app.extensions["settings"].database_url.get_secret_value()
    ready, workers, results = processes.Barrier(WORKERS), [], []
    try:
        for _ in range(WORKERS):
            receiver, sender = processes.Pipe(duplex=False)
            workers.append(processes.Process(target=claim_all, args=(url, tmp_path, jobs, ready, sender)))
            workers[-1].start()
            sender.close()  # the pipe ends with the process
            results.append(receiver)
        claims = [claim for pipe in results for claim in pipe.recv().items()]
    finally:
        for worker in workers:
            worker.kill()

    assert len(claims) == JOBS
    with app.app_context():
        rows = db.session.execute(select(Job.id, Job.claim, Job.attempts)).all()
    assert {row.id: row.claim for row in rows} == dict(claims)
    assert Counter(row.attempts for row in rows) == {1: JOBS}
