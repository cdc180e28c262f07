"""The embedded broker's file: locked, or deleted, under those who have it open."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.environment import wait_for
from tests.system.faults.processes import Deploy, csv_of, deploy

SMALL = csv_of(10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def deployed(file: Path, tmp_path: Path) -> Iterator[Deploy]:
    with deploy(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{file}", tmp_path) as deployed:
        yield deployed


def test_a_locked_file_delays_one_answer_by_a_second_and_loses_no_job(
    deployed: Deploy, file: Path, measured: Callable[[float], None]
) -> None:
    """Fails without the bound on publishing: the first answer waits for SQLite, for 15 s."""
    web = deployed.web()
    ada = web.user()
    deployed.worker()
    ada.finished(ada.import_csv(SMALL))
    with closing(sqlite3.connect(file, isolation_level=None)) as intruder:
        intruder.execute("BEGIN EXCLUSIVE")
        answers = [ada.post("/books/imports", data=SMALL, headers={"Content-Type": "text/csv"}) for _ in "12345"]
        waited, *spared = [answer.elapsed.total_seconds() for answer in answers]
        assert waited < 3
        assert sum(spared) < waited
        assert requests.get(f"{web.url}/readyz", timeout=3).json()["checks"]["broker"] == "failing"
        time.sleep(6)  # longer than the worker waits for the lock
    free = time.monotonic()
    wait_for("the broker is ready", web.ready, 5)
    for answer in answers:
        assert answer.status_code == 202
        ended = ada.finished(answer.headers["Location"])
        assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    measured(time.monotonic() - free)


def test_a_deleted_file_is_made_anew_and_the_next_job_is_done_at_once(
    deployed: Deploy, file: Path, measured: Callable[[float], None]
) -> None:
    """Fails with kombu's own `_open`, whose connections outlive the file: web and worker lose touch with each other."""
    web = deployed.web()
    ada = web.user()
    deployed.worker()
    ada.finished(ada.import_csv(SMALL))
    file.unlink()
    deleted = time.monotonic()
    job = ada.import_csv(SMALL)
    assert ada.finished(job)["status"] == "succeeded"
    measured(time.monotonic() - deleted)

    time.sleep(5)  # until publishers try again
    asked = time.monotonic()
    assert ada.finished(ada.import_csv(SMALL), 5)["status"] == "succeeded"
    assert time.monotonic() - asked < 5
    assert web.ready()
