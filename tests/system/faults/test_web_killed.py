"""kill -9 of web: between the commit of a job and its announcement, and during requests."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
import requests
from sqlalchemy import create_engine, text

from app.core.urls import database_url
from tests.books.factories import book
from tests.books.factories import isbn as isbn13
from tests.support.environment import wait_for
from tests.support.services import new_broker, new_database
from tests.system.faults.conftest import PAIRS, on_each_pair
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import Service, children_of

KILLS = 50
FILE = make_csv(12_000)  # the input of such a job has several parts


def job_whose_web_dies(deploy: Deploy) -> float:
    """Import with a web process that dies after the commit, and return how long the job takes from then."""
    deploy.worker()
    with deploy.create_web("tests.system.faults.deadly_web:create_app()") as deadly:
        ada = deadly.sign_up()
        with pytest.raises(requests.ConnectionError):
            ada.import_csv(make_csv(100))
        killed = time.monotonic()
        assert deadly.wait() == -signal.SIGKILL

    ada.root = deploy.web().url
    jobs = ada.get("/jobs").json()["items"]
    assert len(jobs) == 1
    ended = ada.wait_for_job(f"/jobs/{jobs[0]['id']}")
    assert (ended["status"], ended["attempts"], ended["result"]["created"]) == ("succeeded", 1, 99)
    return time.monotonic() - killed


def test_a_committed_job_that_was_never_announced_is_done(tmp_path: Path, measured: Callable[[float], None]) -> None:
    """Fails without the sweep. If web announced jobs before the commit, there would be no job."""
    with ExitStack() as stack:
        pairs = [(new_database(database, tmp_path), new_broker(broker, tmp_path), broker) for database, broker in PAIRS]
        urls = [(stack.enter_context(a), stack.enter_context(b), tmp_path / name) for a, b, name in pairs]
        deploys = [stack.enter_context(Deploy(*each)) for each in urls]
        with ThreadPoolExecutor() as threads:
            measured(max(threads.map(job_whose_web_dies, deploys)))


class Client:
    """Adds books and imports without a pause, and notes the answers."""

    def __init__(self, web: Service, number: int) -> None:
        self.http = web.sign_up(f"user-{number}@example.org")
        self.isbns = (isbn13(i) for i in range(10**9))
        self.added: set[str] = set()
        self.imports: set[int] = set()
        self.unanswered = 0

    def run(self, over: Event) -> None:
        """Send requests. After a request without an answer, send another one."""
        requests_ = self._requests()
        while not over.is_set():
            try:
                next(requests_)()
            except requests.RequestException:
                self.unanswered += 1

    def _requests(self) -> Iterator[Callable[[], None]]:
        while True:
            yield from [self._add] * 5
            yield self._import

    def _add(self) -> None:
        isbn = next(self.isbns)
        answer = self.http.post("/books", json=book(isbn=isbn))
        assert answer.status_code == 201, answer.text
        self.added.add(isbn)

    def _import(self) -> None:
        answer = self.http.post("/books/imports", data=FILE, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 202, answer.text
        self.imports.add(answer.json()["id"])


def kill_children(web: Service) -> None:
    """Kill the process that serves requests, again and again. gunicorn's master starts another."""
    dead: set[int] = set()
    for _ in range(KILLS):
        pid = wait_for("there is another process", lambda: set(children_of(web.process.pid)) - dead).pop()
        dead.add(pid)
        time.sleep(random.uniform(0.02, 0.15))
        os.kill(pid, signal.SIGKILL)
    web.wait_until_ready()


@on_each_pair
def test_web_that_is_killed_during_requests_keeps_what_it_answered_and_writes_nothing_partly(
    deploy: Deploy,
) -> None:
    """Fails if web answers before the commit, or commits a job and its input separately."""
    web = deploy.web()
    clients = [Client(web, number) for number in range(3)]
    over = Event()
    with ThreadPoolExecutor() as threads:
        running = [threads.submit(client.run, over) for client in clients]
        try:
            kill_children(web)
        finally:
            over.set()
    for each in running:
        each.result()
    assert sum(client.unanswered for client in clients) >= KILLS / 2
    for client in clients:
        rows = client.http.get("/books/export").text.splitlines()[1:]
        assert {row.split(",")[2] for row in rows} >= client.added
        assert {row.replace(row.split(",")[2], "") for row in rows} == {"Emma,Jane Austen,,1815,eng"}
    stored = inputs(str(deploy.variables["DATABASE_URL"]))
    assert set(stored) >= {job for client in clients for job in client.imports}
    assert set(stored.values()) == {FILE}


def inputs(url: str) -> dict[int, bytes]:
    """The whole input of each job."""
    parts = text("SELECT id, data FROM jobs LEFT JOIN job_inputs ON job_id = id ORDER BY id, part")
    found: dict[int, bytes] = {}
    engine = create_engine(database_url(url))
    with engine.connect() as connection:
        for job, data in connection.execute(parts):
            found[job] = found.get(job, b"") + (data or b"")
    engine.dispose()
    return found
