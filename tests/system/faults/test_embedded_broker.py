"""The embedded broker's file is locked, or deleted, while web and worker have it open."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.environment import wait_for
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy

SMALL = make_csv(10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def deploy(file: Path, tmp_path: Path) -> Iterator[Deploy]:
    with Deploy(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{file}", tmp_path) as deploy:
        yield deploy


def test_a_locked_file_delays_one_answer_and_loses_no_job(
    deploy: Deploy, file: Path, measured: Callable[[float], None]
) -> None:
    """Fails without the bound on publishing: each answer waits as long as the first."""
    web, worker = deploy.web(), deploy.worker()
    ada = web.sign_up()
    ada.wait_for_job(ada.import_csv(SMALL))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answers = [ada.upload_csv(SMALL) for _ in range(5)]
        waited, *later = [answer.elapsed.total_seconds() for answer in answers]
        assert waited < 10  # SQLite's own timeout is 15 s
        assert sum(later) < waited
        assert requests.get(f"{web.url}/readyz", timeout=10).json()["checks"]["broker"] == "failing"
        wait_for("the worker's connection fails", lambda: "database is locked" in worker.log())
    free = time.monotonic()
    web.wait_until_ready()
    for answer in answers:
        ended = ada.wait_for_job(answer.headers["Location"])
        assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    measured(time.monotonic() - free)


def test_a_deleted_file_is_created_again_and_announces_the_next_job(
    deploy: Deploy, file: Path, measured: Callable[[float], None]
) -> None:
    """Fails with kombu's own `_open`: its connections keep the deleted file, and web and worker use different files."""
    web = deploy.web()
    ada = web.sign_up()
    deploy.worker()
    ada.wait_for_job(ada.import_csv(SMALL))
    file.unlink()
    deleted = time.monotonic()
    job = ada.import_csv(SMALL)
    assert ada.wait_for_job(job)["status"] == "succeeded"
    measured(time.monotonic() - deleted)

    def announced() -> bool:
        """Whether a job is done sooner than by a sweep."""
        begun = time.monotonic()
        assert ada.wait_for_job(ada.import_csv(SMALL))["status"] == "succeeded"
        return time.monotonic() - begun < 5

    wait_for("jobs are announced", announced)
    assert web.ready()
