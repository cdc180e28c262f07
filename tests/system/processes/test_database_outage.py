"""A database that goes away and comes back: web says so meanwhile, and needs no restart afterwards (factor IV)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.clients import PASSWORD, book
from tests.support.environment import service_variables, wait_for
from tests.system.formation import HttpClient, Program, Web
from tests.system.processes.postgres import PostgresServer

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
def web(server: PostgresServer, tmp_path: Path) -> Iterator[Web]:
    """A web process on the server, which is migrated."""
    broker = f"sqla+sqlite:///{tmp_path}/broker.db"
    with Program(["flask", "db", "upgrade"], tmp_path, service_variables(server.url, broker)) as migration:
        assert migration.wait() == 0, migration.log()
    with Web(server.url, broker, tmp_path) as web:
        yield web


def answers(user: HttpClient) -> list[requests.Response]:
    """What all requests are answered, several at a time, so that every connection of the pools has its turn."""
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda each: user.request(each[0], each[1], **each[2]), REQUESTS * 4))


@pytest.mark.services
def test_requests_answer_503_while_the_database_is_away_and_succeed_when_it_is_back(
    server: PostgresServer, web: Web
) -> None:
    ada = web.user(ACCOUNT["email"])
    assert ada.post("/books", json=book()).status_code == 201
    assert {response.status_code for response in answers(ada)} <= {200, 201, 202, 409}

    server.stop()
    for response in answers(ada):
        assert response.status_code == 503, (response.request.path_url, response.text)
        assert response.headers["Content-Type"] == "application/problem+json"
        assert int(response.headers["Retry-After"]) > 0
        assert response.json()["request_id"] == response.headers["X-Request-ID"]
        assert "127.0.0.1" not in response.text
        assert response.elapsed.total_seconds() < 5
    assert requests.get(f"{web.url}/healthz", timeout=5).status_code == 200
    readiness = requests.get(f"{web.url}/readyz", timeout=5)
    assert readiness.status_code == 503
    assert readiness.json()["checks"] == {"database": "failing", "migrations": "failing", "broker": "ok"}

    server.start()
    wait_for("web is ready again", web.ready, 5)
    assert {response.status_code for response in answers(ada)} <= {200, 201, 202, 409}
    assert ada.get("/books/1").json()["title"] == "Emma"
    assert sum(event["message"].startswith("Booting worker") for event in web.events()) == 2
    assert "Traceback" not in web.log()
