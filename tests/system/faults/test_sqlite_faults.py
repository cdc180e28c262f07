"""A SQLite database that is locked, or whose disk is full."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.books.factories import book
from tests.books.factories import isbn as isbn13
from tests.support.services import skip_or_fail
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy
from tests.system.harness.run import run_name

ROWS = 20_000
GOOD = ROWS - ROWS // 100


@contextmanager
def write_lock(database: Path) -> Iterator[None]:
    """Hold SQLite's only write lock, as a backup or an open shell may."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An SQLite database."""
    return tmp_path / "barah.db"


@pytest.fixture
def on_file(file: Path, tmp_path: Path) -> Iterator[Deploy]:
    """A deploy on the database, with an embedded broker in another file."""
    with Deploy(f"sqlite:///{file}", f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path) as deploy:
        yield deploy


def test_writers_wait_for_the_write_lock_and_succeed(file: Path, on_file: Deploy) -> None:
    """Fails with a busy timeout of 0: writers get a 503 at once."""
    web = on_file.web()
    ada = web.sign_up()
    reader = ada.at(web.url)
    with ThreadPoolExecutor(2) as threads, write_lock(file):
        waiting = [threads.submit(ada.post, "/books", json=book(isbn=isbn13(i))) for i in range(2)]
        for _ in range(20):
            assert reader.get("/books").json()["items"] == []
        assert not any(answer.done() for answer in waiting)
    answers = [answer.result() for answer in waiting]
    assert [answer.status_code for answer in answers] == [201, 201]


def test_while_the_write_lock_is_held_writers_get_503_readers_are_served_and_a_job_survives(
    file: Path, on_file: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when requests that read take the write lock (they get a 503), and without the sweep (the job is lost)."""
    ada, _ = on_file.web().sign_up(), on_file.worker()
    reader = ada.at(ada.root)
    job = ada.import_csv(make_csv(ROWS))
    ada.wait_until_running(job, ROWS)
    with write_lock(file), ThreadPoolExecutor(1) as threads:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            written = threads.submit(ada.post, "/books", json=book(isbn=isbn13(500_000)))
            assert {reader.get("/books").status_code for _ in range(5)} == {200}
            assert_refused(written.result())
    freed = time.monotonic()
    assert ada.post("/books", json=book(isbn=isbn13(500_000))).status_code == 201
    ended = ada.wait_for_job(job)
    measured(time.monotonic() - freed)
    assert ended["status"] == "succeeded"
    assert ended["attempts"] <= 2
    assert ended["result"]["created"] == GOOD
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD + 1


def assert_refused(answer: requests.Response) -> None:
    """The answer is a problem with Retry-After, and shows no internals."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert "sql" not in answer.text.lower()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    if os.geteuid() != 0:
        skip_or_fail("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", run_name(), folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        skip_or_fail(f"cannot mount a small disk: {mounted.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    try:
        yield
    finally:
        filler.unlink()


def test_on_a_full_disk_only_writing_fails(small_disk: Path, tmp_path: Path, measured: Callable[[float], None]) -> None:
    """Fails when the driver's error is answered as 500, and without the sweep (the job is never continued)."""
    broker = f"sqla+sqlite:///{tmp_path}/broker.db"
    with Deploy(f"sqlite:///{small_disk}/barah.db", broker, tmp_path) as deploy:
        ada, _ = deploy.web().sign_up(), deploy.worker()
        job = ada.import_csv(make_csv(ROWS))
        ada.wait_until_running(job, ROWS)
        with full(small_disk):
            refused: list[str] = []
            added: list[str] = []
            for number in range(500_000, 500_100):
                answer = ada.post("/books", json=book(isbn=isbn13(number)))
                if answer.status_code == 201:  # there was still space in the log
                    added.append(isbn13(number))
                else:
                    assert_refused(answer)
                    refused.append(isbn13(number))
                assert ada.get("/books").status_code == 200
            assert_refused(ada.post("/books/imports", data=make_csv(ROWS), headers={"Content-Type": "text/csv"}))
            assert len(ada.get("/jobs").json()["items"]) == 1
        freed = time.monotonic()
        for isbn in refused:
            assert ada.post("/books", json=book(isbn=isbn)).status_code == 201
        measured(time.monotonic() - freed)
        ended: dict[str, Any] = ada.wait_for_job(job)
        measured(time.monotonic() - freed)
        assert (ended["status"], ended["result"]["created"]) == ("succeeded", GOOD)
        rows = [line.split(",")[2] for line in ada.get("/books/export").text.splitlines()[1:]]
        assert len(rows) == len(set(rows)) == GOOD + len(refused) + len(added)
