"""A database server that restarts, is stopped or freezes."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event

import pytest
import requests
from flask import Response

from app import create_app
from tests.books.factories import book
from tests.books.factories import isbn as isbn13
from tests.conftest import make_settings
from tests.support.environment import wait_for
from tests.support.factories import sign_up
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import HttpClient, Service
from tests.system.harness.servers import DATABASE_SERVERS, Server

ROWS = 20_000
GOOD = ROWS - ROWS // 100

on_each_server = pytest.mark.parametrize("server", DATABASE_SERVERS, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with DATABASE_SERVERS[request.param]() as server:
        yield server


@pytest.fixture
def deploy(server: Server, tmp_path: Path) -> Iterator[Deploy]:
    """A deploy on its own server."""
    with Deploy(server.url, f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path) as deploy:
        yield deploy


class Load:
    """Users that list and add books all the time. A request without an answer is an error."""

    def __init__(self, user: HttpClient) -> None:
        self.answers: list[tuple[float, int]] = []  # time and status
        self.added: list[str] = []
        self._over = Event()
        self._numbers = count(500_000)  # `next` of it is atomic
        self._user = user

    @contextmanager
    def running(self) -> Iterator[None]:
        """Load the service."""
        with ThreadPoolExecutor(3) as threads:
            users = [threads.submit(self._act) for _ in range(3)]
            try:
                yield
            finally:
                self._over.set()
            for user in users:
                user.result(120)

    def statuses(self, latest: int = 0) -> set[int]:
        """The statuses of all answers, or of the latest."""
        return {status for _, status in self.answers[-latest:]}

    def _act(self) -> None:
        user = self._user.at(self._user.root)
        while not self._over.wait(0.02):
            isbn = isbn13(next(self._numbers))
            added = user.post("/books", json=book(isbn=isbn))
            self.answers.append((time.monotonic(), added.status_code))
            if added.status_code == 201:
                self.added.append(isbn)
            self.answers.append((time.monotonic(), user.get("/books").status_code))


@on_each_server
def test_during_a_restart_under_load_requests_answer_503_and_the_job_survives(
    server: Server, deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when a driver's error is no 503, and without the sweep: the import never ends."""
    web = deploy.web()
    ada, _ = web.sign_up(), deploy.worker()
    job = ada.import_csv(make_csv(ROWS))
    ada.wait_until_running(job, ROWS)

    load = Load(ada)
    with load.running():
        wait_for("requests succeed", lambda: load.statuses() == {200, 201})
        server.stop()
        stopped = time.monotonic()
        wait_for("requests fail", lambda: 503 in load.statuses())
        server.start()
        back = time.monotonic()
        wait_for("requests succeed again", lambda: load.statuses(latest=50) == {200, 201})

    assert load.statuses() == {200, 201, 503}, [event for event in web.events() if event["log.level"] == "error"]
    assert web.count_events("Booting worker") == 1
    measured(max(0, max(when for when, status in load.answers if status == 503) - back))

    ended = ada.wait_for_job(job)
    measured(time.monotonic() - stopped)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (GOOD, ROWS // 100)
    rows = [line.split(",")[2] for line in ada.get("/books/export").text.splitlines()[1:]]
    assert len(rows) == len(set(rows))
    assert set(load.added) <= set(rows)
    assert {isbn13(i) for i in range(ROWS) if i % 100 != 99} <= set(rows)


@on_each_server
def test_an_answer_is_sent_if_the_database_stops_before_the_transaction_ends(server: Server, deploy: Deploy) -> None:
    """Fails when an error at the end of the transaction reaches the client, as with Flask-SQLAlchemy's own teardown: it
    answers 500.
    """
    app = create_app(make_settings(server.url, str(deploy.variables["BROKER_URL"])))
    stopping = Event()

    @app.after_request
    def stop(response: Response) -> Response:
        if stopping.is_set():
            server.stop()
        return response

    ada = sign_up(app, "ada@example.org")
    stopping.set()
    assert ada.get("/books").status_code == 200


@on_each_server
def test_a_restart_between_requests_causes_no_error(server: Server, deploy: Deploy) -> None:
    """Fails without `pool_pre_ping`: each connection in the pool causes an error."""
    ada = deploy.web().sign_up()
    with ThreadPoolExecutor(4) as threads:
        assert {answer.status_code for answer in threads.map(ada.get, ["/books"] * 40)} == {200}
        server.stop()
        server.start()
        assert {answer.status_code for answer in threads.map(ada.get, ["/books"] * 40)} == {200}


@on_each_server
def test_readiness_reports_a_database_that_is_stopped_or_frozen(
    server: Server, deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when readiness queries the database in the request's thread: a frozen database never answers."""
    web = deploy.web()
    ada = web.sign_up()

    server.stop()
    assert_reported(web)
    server.start()
    begun = time.monotonic()
    web.wait_until_ready()
    measured(time.monotonic() - begun)

    with ThreadPoolExecutor(2) as threads:
        with server.frozen():
            waiting = [threads.submit(ada.get, "/books") for _ in range(2)]
            assert_reported(web)
            assert not any(answer.done() for answer in waiting)
        begun = time.monotonic()
        assert [answer.result(120).status_code for answer in waiting] == [200, 200]
    web.wait_until_ready()
    measured(time.monotonic() - begun)
    assert web.count_events("Booting worker") == 1


def assert_reported(web: Service) -> None:
    """Web is alive, and each time reports that its database is not. A hanging request would time out."""
    for _ in range(6):
        assert requests.get(f"{web.url}/healthz", timeout=20).status_code == 200
        answer = requests.get(f"{web.url}/readyz", timeout=20)
        assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "failing")
