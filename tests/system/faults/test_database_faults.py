"""A database that restarts, is away, freezes, is locked or has a full disk."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests
from flask import Response

from app import create_app
from tests.conftest import make_settings
from tests.support.clients import book, sign_up
from tests.support.clients import isbn as isbn13
from tests.support.environment import wait_for
from tests.support.services import skip_or_fail
from tests.system.faults.databases import SERVERS, DatabaseServer, frozen
from tests.system.faults.processes import Deploy, csv_of, deploy, progress
from tests.system.formation import HttpClient, Service

ROWS = 20_000
GOOD = ROWS - ROWS // 100

on_each_server = pytest.mark.parametrize("server", SERVERS, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with SERVERS[request.param]() as server:
        yield server


@pytest.fixture
def deployed(server: DatabaseServer, tmp_path: Path) -> Iterator[Deploy]:
    """A deploy on a server of its own."""
    with deploy(server.url, f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path) as deployed:
        yield deployed


class Load:
    """Users who list books and add new ones, all the time. An answer that never comes is an error."""

    def __init__(self, user: HttpClient) -> None:
        self.answers: list[tuple[float, int]] = []  # when, and which status
        self.added: list[str] = []
        self._over = Event()
        self._numbers = count(500_000)  # `next` of it is atomic
        self._user = user

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Load the service."""
        with ThreadPoolExecutor(3) as threads:
            users = [threads.submit(self._act) for _ in range(3)]
            try:
                yield
            finally:
                self._over.set()
            for user in users:
                user.result(30)

    def _act(self) -> None:
        user = HttpClient(self._user.root)
        user.headers.update(self._user.headers)
        while not self._over.wait(0.02):
            isbn = isbn13(next(self._numbers))
            added = user.post("/books", json=book(isbn=isbn))
            self.answers.append((time.monotonic(), added.status_code))
            if added.status_code == 201:
                self.added.append(isbn)
            self.answers.append((time.monotonic(), user.get("/books").status_code))


def booted(web: Service) -> int:
    """How many workers gunicorn has started."""
    return sum(event["message"].startswith("Booting worker") for event in web.events())


@on_each_server
def test_a_restart_under_load_costs_503s_for_seconds_and_no_job(
    server: DatabaseServer, deployed: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when the drivers' errors are no 503, and without the sweep: the import never ends."""
    web = deployed.web()
    ada, _ = web.user(), deployed.worker()
    job = ada.import_csv(csv_of(ROWS))
    wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)

    load = Load(ada)
    with load.going_on():
        time.sleep(1)
        server.stop()
        stopped = time.monotonic()
        time.sleep(2)
        server.start()
        back = time.monotonic()
        time.sleep(8)

    statuses = {status for _, status in load.answers}
    assert statuses == {200, 201, 503}, [event for event in web.events() if event["log.level"] == "error"]
    assert {status for when, status in load.answers if when > back + 5} == {200, 201}
    assert booted(web) == 1
    measured(max(0, max(when for when, status in load.answers if status == 503) - back))

    ended = ada.finished(job, seconds=60)
    measured(time.monotonic() - stopped)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (GOOD, ROWS // 100)
    rows = [line.split(",")[2] for line in ada.get("/books/export").text.splitlines()[1:]]
    assert len(rows) == len(set(rows))
    assert set(load.added) <= set(rows)
    assert {isbn13(i) for i in range(ROWS) if i % 100 != 99} <= set(rows)


@on_each_server
def test_an_answer_outlives_the_database_that_it_was_read_from(server: DatabaseServer, deployed: Deploy) -> None:
    """The server goes when the answer is made, and before the transaction has ended. Fails when a failure to end it
    leaves the request, as Flask-SQLAlchemy has it: the client is told 500.
    """
    app = create_app(make_settings(server.url, str(deployed.variables["BROKER_URL"])))
    leaving = Event()

    @app.after_request
    def leave(response: Response) -> Response:
        if leaving.is_set():
            server.stop()
        return response

    ada = sign_up(app, "ada@example.org")
    leaving.set()
    assert ada.get("/books").status_code == 200


@on_each_server
def test_a_restart_that_no_request_meets_is_not_noticed(server: DatabaseServer, deployed: Deploy) -> None:
    """Fails without `pool_pre_ping`: each connection that the pool has kept costs an error."""
    ada = deployed.web().user()
    with ThreadPoolExecutor(4) as threads:
        assert {answer.status_code for answer in threads.map(ada.get, ["/books"] * 40)} == {200}
        server.stop()
        server.start()
        assert {answer.status_code for answer in threads.map(ada.get, ["/books"] * 40)} == {200}


@on_each_server
def test_a_database_that_is_stopped_or_frozen_is_reported_within_two_seconds(
    server: DatabaseServer, deployed: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when readiness asks the database in the request's own thread: a frozen one never answers."""
    web = deployed.web()
    ada = web.user()

    server.stop()
    assert_reported(web)
    server.start()
    begun = time.monotonic()
    wait_for("web is ready again", web.ready, 5)
    measured(time.monotonic() - begun)

    with ThreadPoolExecutor(2) as threads:
        with frozen(server):
            hanging = [threads.submit(ada.get, "/books") for _ in range(2)]
            time.sleep(0.5)  # both have the connections that were there, before readiness asks for some
            assert_reported(web)
        begun = time.monotonic()
        assert [answer.result(5).status_code for answer in hanging] == [200, 200]
    wait_for("web is ready again", web.ready, 5)
    measured(time.monotonic() - begun)
    assert booted(web) == 1


def assert_reported(web: Service) -> None:
    """Web says that it is alive and that its database is not, however often it is asked."""
    for _ in range(6):
        assert requests.get(f"{web.url}/healthz", timeout=1).status_code == 200
        answer = requests.get(f"{web.url}/readyz", timeout=5)
        assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "failing")
        assert answer.elapsed.total_seconds() < 2


@contextmanager
def write_lock(database: Path) -> Iterator[None]:
    """Hold SQLite's only write lock, as a backup or a stray shell may."""
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
    """A deploy on it; its embedded broker is another file."""
    with deploy(f"sqlite:///{file}", f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path) as deployed:
        yield deployed


def test_writers_wait_three_seconds_for_the_write_lock_and_succeed(file: Path, on_file: Deploy) -> None:
    """Fails with a busy timeout of 0: writers are told 503 at once."""
    ada = on_file.web().user()
    with ThreadPoolExecutor(2) as threads, write_lock(file):
        waiting = [threads.submit(ada.post, "/books", json=book(isbn=isbn13(i))) for i in range(2)]
        time.sleep(3)
        assert not any(answer.done() for answer in waiting)
        assert ada.get("/books").json()["items"] == []
    answers = [answer.result() for answer in waiting]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert all(3 <= answer.elapsed.total_seconds() < 5 for answer in answers)


def test_writers_are_told_503_while_the_write_lock_is_held_for_thirty_seconds_and_a_job_survives_it(
    file: Path, on_file: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when reading requests take the write lock, too (they get 503), and without the sweep (the job is lost)."""
    ada, _ = on_file.web().user(), on_file.worker()
    job = ada.import_csv(csv_of(ROWS))
    wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)
    with write_lock(file), ThreadPoolExecutor(1) as threads:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            written = threads.submit(ada.post, "/books", json=book(isbn=isbn13(500_000)))
            time.sleep(0.1)
            reading = time.monotonic()
            assert ada.get("/books").status_code == 200
            assert time.monotonic() - reading < 2
            assert_refused(written.result())
            assert written.result().elapsed.total_seconds() < 8
    freed = time.monotonic()
    assert ada.post("/books", json=book(isbn=isbn13(500_000))).status_code == 201
    ended = ada.finished(job, seconds=60)
    measured(time.monotonic() - freed)
    assert ended["status"] == "succeeded"
    assert ended["attempts"] <= 2
    assert ended["result"]["created"] == GOOD
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD + 1


def assert_refused(answer: requests.Response) -> None:
    """It is a problem that tells the client to come back, and nothing of the server's insides."""
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
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True, text=True, check=False
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


def test_a_full_disk_stops_writing_and_nothing_else(
    small_disk: Path, tmp_path: Path, measured: Callable[[float], None]
) -> None:
    """Fails when the driver's error is answered as 500, and without the sweep (the job stays as it broke off)."""
    broker = f"sqla+sqlite:///{tmp_path}/broker.db"
    with deploy(f"sqlite:///{small_disk}/barah.db", broker, tmp_path) as deployed:
        ada, _ = deployed.web().user(), deployed.worker()
        job = ada.import_csv(csv_of(ROWS))
        wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)
        with full(small_disk):
            refused: list[str] = []
            added: list[str] = []
            for number in range(500_000, 500_100):
                answer = ada.post("/books", json=book(isbn=isbn13(number)))
                if answer.status_code == 201:  # there was room in the log, still
                    added.append(isbn13(number))
                else:
                    assert_refused(answer)
                    refused.append(isbn13(number))
                assert ada.get("/books").status_code == 200
            assert_refused(ada.post("/books/imports", data=csv_of(ROWS), headers={"Content-Type": "text/csv"}))
            assert len(ada.get("/jobs").json()["items"]) == 1
        freed = time.monotonic()
        for isbn in refused:
            assert ada.post("/books", json=book(isbn=isbn)).status_code == 201
        measured(time.monotonic() - freed)
        ended: dict[str, Any] = ada.finished(job, seconds=60)
        measured(time.monotonic() - freed)
        assert (ended["status"], ended["result"]["created"]) == ("succeeded", GOOD)
        rows = [line.split(",")[2] for line in ada.get("/books/export").text.splitlines()[1:]]
        assert len(rows) == len(set(rows)) == GOOD + len(refused) + len(added)
