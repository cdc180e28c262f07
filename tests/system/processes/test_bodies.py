"""Request bodies that are too large, cut off, or not framed as declared, sent to web through a socket."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.support.environment import wait_for
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import HttpClient, Service
from tests.system.processes.bodies import (
    ACCEPTED,
    CSV,
    CUT_OFF,
    LIMIT,
    MISFRAMED,
    TOO_LARGE,
    TYPES,
    Sent,
    chunks,
    with_length,
)

Answer = tuple[int, Any]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A web process with a small limit of uploads."""
    folder = tmp_path_factory.mktemp("web")
    urls = f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db"
    with Deploy(*urls, folder, MAX_UPLOAD_BYTES=LIMIT) as deploy:
        yield deploy.web()


@pytest.fixture(scope="module")
def ada(web: Service) -> HttpClient:
    """A user who is logged in."""
    return web.sign_up()


class Connection:
    """A connection to which a test writes bytes."""

    def __init__(self, sock: socket.socket, authorization: str) -> None:
        self.sock, self.authorization = sock, authorization

    def send(self, framing: str, *parts: bytes, path: str = "/books/imports", type: str = "text/csv") -> None:
        """Write a request's head, and then its body."""
        head = f"POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {self.authorization}\r\nContent-Type: {type}"
        for part in (f"{head}\r\n{framing}\r\n\r\n".encode(), *parts):
            self.sock.sendall(part)

    def end(self) -> None:
        """Send no more, and still read."""
        self.sock.shutdown(socket.SHUT_WR)

    def answer(self) -> Answer:
        """Read an answer."""
        with closing(HTTPResponse(self.sock)) as response:
            response.begin()
            body = response.read()
            if response.status >= 400:
                assert response.headers["Content-Type"] == "application/problem+json", body
            return response.status, json.loads(body)


@contextmanager
def connect(ada: HttpClient) -> Iterator[Connection]:
    """Open a connection to the service."""
    port = int(ada.root.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=90) as sock:
        yield Connection(sock, str(ada.headers["Authorization"]))


def jobs(ada: HttpClient) -> int:
    return len(ada.get("/jobs?limit=100").json()["items"])


@pytest.mark.parametrize(("framing", "body"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_body_up_to_the_limit_is_accepted(ada: HttpClient, framing: str, body: bytes) -> None:
    with connect(ada) as connection:
        connection.send(framing, body)
        assert connection.answer()[0] == 202


@pytest.mark.parametrize(("framing", "body"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_body_over_the_limit_is_refused_with_a_readable_answer(ada: HttpClient, framing: str, body: bytes) -> None:
    before = jobs(ada)
    with connect(ada) as connection:
        connection.send(framing, body)
        assert connection.answer()[0] == 413
    assert jobs(ada) == before


@pytest.mark.parametrize(("framing", "body"), CUT_OFF.values(), ids=CUT_OFF)
def test_a_body_that_is_cut_off_is_not_imported(ada: HttpClient, framing: str, body: bytes) -> None:
    before = jobs(ada)
    with connect(ada) as connection:
        connection.send(framing, body)
        connection.end()
        assert connection.answer()[0] == 400
    assert jobs(ada) == before


def test_the_body_of_a_client_that_disconnects_is_not_imported(web: Service, ada: HttpClient) -> None:
    before, refused = jobs(ada), web.count_events("POST /api/v1/books/imports 400")
    for framing, body in CUT_OFF.values():
        with connect(ada) as connection:
            connection.send(framing, body)
    wait_for("web refuses them", lambda: web.count_events("POST /api/v1/books/imports 400") >= refused + len(CUT_OFF))
    assert jobs(ada) == before


@pytest.mark.parametrize(("framing", "body"), MISFRAMED.values(), ids=MISFRAMED)
def test_a_body_with_invalid_chunks_is_refused(ada: HttpClient, framing: str, body: bytes) -> None:
    before = jobs(ada)
    with connect(ada) as connection:
        connection.send(framing, body)
        assert connection.answer()[0] == 400
    assert jobs(ada) == before


@pytest.mark.parametrize(("path", "type"), TYPES.values(), ids=TYPES)
def test_the_rules_hold_for_every_content_type(ada: HttpClient, path: str, type: str) -> None:
    for sent, status in [
        (TOO_LARGE["a length"], 413),
        (TOO_LARGE["chunks"], 413),
        (CUT_OFF["inside its length"], 400),
        (CUT_OFF["between chunks"], 400),
        (MISFRAMED["a size in words"], 400),
    ]:
        with connect(ada) as connection:
            connection.send(*sent, path=path, type=type)
            connection.end()
            assert connection.answer()[0] == status, sent[1][:40]


def test_a_slow_body_is_accepted(ada: HttpClient) -> None:
    with connect(ada) as connection:
        framing, body = with_length(CSV)
        connection.send(framing)
        for start in range(0, len(body), 10):
            time.sleep(0.02)
            connection.sock.sendall(body[start : start + 10])
        status, job = connection.answer()
    assert status == 202
    assert jobs(ada) >= job["id"]


def test_a_client_that_expects_100_continue_gets_it(ada: HttpClient) -> None:
    with connect(ada) as connection:
        connection.send(f"Content-Length: {len(CSV)}\r\nExpect: 100-continue")
        assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sock.sendall(CSV)
        assert connection.answer()[0] == 202


@pytest.mark.parametrize(
    ("sent", "status"),
    [(with_length(b"not a book", 10), 422), (chunks(b"not a book"), 422), (TOO_LARGE["chunks"], 413)],
    ids=["a length", "chunks", "too much"],
)
def test_the_connection_stays_usable_after_a_refusal(ada: HttpClient, sent: Sent, status: int) -> None:
    with connect(ada) as connection:
        connection.send(*sent)
        assert connection.answer()[0] == status
        connection.send(*with_length(CSV))
        assert connection.answer()[0] == 202


def test_the_longest_query_fits_into_the_request_line(ada: HttpClient) -> None:
    query = {"cursor": "x" * 3_000, "q": "😀" * 200, "author": "😀" * 200}
    assert list(ada.get("/books", params=query).json()["errors"]) == ["cursor"]


def test_no_malformed_body_causes_an_error_in_the_log(web: Service, ada: HttpClient) -> None:
    assert ada.get("/users/me").status_code == 200
    assert [event for event in web.events() if event["log.level"] in ("error", "critical")] == []
