"""kill -9 of web: between commit and announcement, and in the middle of requests."""

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
from tests.support.clients import book
from tests.support.clients import isbn as isbn13
from tests.support.environment import wait_for
from tests.support.services import new_broker, new_database
from tests.system.faults.conftest import PAIRS, on_each_pair
from tests.system.faults.processes import Deploy, csv_of, deploy
from tests.system.formation import HttpClient, Service, children_of

KILLS = 50
FILE = csv_of(12_000)  # more than one part of a job's input


def job_whose_web_dies(deployed: Deploy) -> float:
    """Ask a web process that dies at once when it has committed, and return how long the job takes from then."""
    deployed.worker()
    place = deployed.folder / "deadly"
    place.mkdir()
    command = ["gunicorn", "--config", "gunicorn.conf.py", "tests.system.faults.web_that_dies:create_app()"]
    with Service(command, place, deployed.variables) as deadly:
        ada = deadly.user()
        with pytest.raises(requests.ConnectionError):
            ada.import_csv(csv_of(100))
        killed = time.monotonic()
        assert deadly.wait(5) == -signal.SIGKILL

    ada.root = deployed.web().url
    jobs = ada.get("/jobs").json()["items"]
    assert len(jobs) == 1
    ended = ada.finished(f"/jobs/{jobs[0]['id']}", 60 - (time.monotonic() - killed))
    assert (ended["status"], ended["attempts"], ended["result"]["created"]) == ("succeeded", 1, 99)
    return time.monotonic() - killed


def test_a_job_that_was_committed_and_never_announced_is_done(
    tmp_path: Path, measured: Callable[[float], None]
) -> None:
    """Fails without the sweep; if jobs were announced before the commit, there would be none."""
    with ExitStack() as stack:
        pairs = [(new_database(database, tmp_path), new_broker(broker, tmp_path), broker) for database, broker in PAIRS]
        urls = [(stack.enter_context(a), stack.enter_context(b), tmp_path / name) for a, b, name in pairs]
        deploys = [stack.enter_context(deploy(*each)) for each in urls]
        with ThreadPoolExecutor() as threads:
            measured(max(threads.map(job_whose_web_dies, deploys)))


class Client:
    """Adds books and imports without a pause, and notes what it was told."""

    def __init__(self, web: Service, number: int) -> None:
        self.http: HttpClient = web.user(f"user-{number}@example.org")
        self.isbns = (isbn13(i) for i in range(10**9))
        self.added: set[str] = set()
        self.imports: set[int] = set()
        self.unanswered = 0

    def go_on_until(self, over: Event) -> None:
        """Send requests; who gets no answer knows nothing, and asks for something else."""
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


def kill_its_processes(web: Service) -> None:
    """Kill the process that answers requests, again and again; gunicorn's master starts another."""
    dead: set[int] = set()
    for _ in range(KILLS):
        pid = wait_for("there is a process", lambda: set(children_of(web.process.pid)) - dead).pop()
        dead.add(pid)
        time.sleep(random.uniform(0.02, 0.15))
        os.kill(pid, signal.SIGKILL)
    wait_for("web is ready", web.ready)


@on_each_pair
def test_web_killed_in_the_middle_of_requests_keeps_what_it_promised_and_leaves_nothing_half_written(
    deployed: Deploy,
) -> None:
    """Fails if the answer is sent before the commit, or if a job and its input are not committed together."""
    web = deployed.web()
    clients = [Client(web, number) for number in range(3)]
    over = Event()
    with ThreadPoolExecutor() as threads:
        working = [threads.submit(client.go_on_until, over) for client in clients]
        try:
            kill_its_processes(web)
        finally:
            over.set()
    for each in working:
        each.result()
    assert sum(client.unanswered for client in clients) >= KILLS / 2
    for client in clients:
        rows = client.http.get("/books/export").text.splitlines()[1:]
        assert {row.split(",")[2] for row in rows} >= client.added
        assert {row.replace(row.split(",")[2], "") for row in rows} == {"Emma,Jane Austen,,1815,eng"}
    stored = inputs(str(deployed.variables["DATABASE_URL"]))
    assert set(stored) >= {job for client in clients for job in client.imports}
    assert set(stored.values()) == {FILE}


def inputs(url: str) -> dict[int, bytes]:
    """Every job's input, put together."""
    parts = text("SELECT id, data FROM jobs LEFT JOIN job_inputs ON job_id = id ORDER BY id, part")
    found: dict[int, bytes] = {}
    engine = create_engine(database_url(url))
    with engine.connect() as connection:
        for job, data in connection.execute(parts):
            found[job] = found.get(job, b"") + (data or b"")
    engine.dispose()
    return found
