"""Web reports a database outage, and needs no restart after it (factor IV)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.books.factories import book
from tests.support.factories import PASSWORD
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import HttpClient, Service
from tests.system.harness.servers import PostgresServer

ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}
CSV = b"title,author,isbn\nEmma,Jane Austen,9780141439587\n"
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/books", {}),
    ("GET", "/books/1", {}),
    ("GET", "/books/export", {}),
    ("GET", "/jobs", {}),
    ("GET", "/users/me", {}),
    ("POST", "/books", {"json": book(isbn="9780141439600")}),
    ("POST", "/books/imports", {"data": CSV, "headers": {"Content-Type": "text/csv"}}),
    ("POST", "/auth/login", {"json": ACCOUNT}),
    ("POST", "/auth/signup", {"json": ACCOUNT | {"email": "bob@example.org", "name": "Bob"}}),
]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def web(server: PostgresServer, tmp_path: Path) -> Iterator[Service]:
    """A web process with two children, on the migrated server."""
    broker = f"sqla+sqlite:///{tmp_path}/broker.db"
    with Deploy(server.url, broker, tmp_path, WEB_CONCURRENCY=2) as deploy:
        yield deploy.web()


def answers(user: HttpClient) -> list[requests.Response]:
    """Send all requests, several at a time, so that they use every connection of the pools."""
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda each: user.request(each[0], each[1], **each[2]), REQUESTS * 4))


@pytest.mark.services
def test_requests_answer_503_during_a_database_outage_and_succeed_after_it(
    server: PostgresServer, web: Service
) -> None:
    ada = web.sign_up(ACCOUNT["email"])
    assert ada.post("/books", json=book()).status_code == 201
    assert {response.status_code for response in answers(ada)} <= {200, 201, 202, 409}

    server.stop()
    for response in answers(ada):
        assert response.status_code == 503, (response.request.path_url, response.text)
        assert response.headers["Content-Type"] == "application/problem+json"
        assert int(response.headers["Retry-After"]) > 0
        assert response.json()["request_id"] == response.headers["X-Request-ID"]
        assert "127.0.0.1" not in response.text
    assert requests.get(f"{web.url}/healthz", timeout=60).status_code == 200
    readiness = requests.get(f"{web.url}/readyz", timeout=60)
    assert readiness.status_code == 503
    assert readiness.json()["checks"] == {"database": "failing", "migrations": "failing", "broker": "ok"}

    server.start()
    web.wait_until_ready()
    assert {response.status_code for response in answers(ada)} <= {200, 201, 202, 409}
    assert ada.get("/books/1").json()["title"] == "Emma"
    assert web.count_events("Booting worker") == 2
    assert "Traceback" not in web.log()
