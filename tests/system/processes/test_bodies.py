"""Request bodies that are too large, cut off, or not framed as declared, sent to web through a socket."""

import json
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.books.factories import isbn
from tests.support.environment import wait_for
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import HttpClient, Service

LIMIT = 100_000
CSV = f"title,author,isbn\nEmma,Jane Austen,{isbn(1)}\n".encode()
CHUNKED = "Transfer-Encoding: chunked"

Sent = tuple[str, bytes]  # the header that frames a body, and the bytes of the body
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


def of_size(size: int) -> bytes:
    """A valid file of this size."""
    return CSV + b"\n" * (size - len(CSV))


def with_length(body: bytes, length: int | None = None) -> Sent:
    """Frame a body by a Content-Length, which may be wrong."""
    return f"Content-Length: {len(body) if length is None else length}", body


def chunks(body: bytes, size: int = 10_000, end: bytes = b"0\r\n\r\n") -> Sent:
    """Frame a body by chunks."""
    parts: Iterable[bytes] = (body[start : start + size] for start in range(0, len(body), size))
    return CHUNKED, b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


ACCEPTED: dict[str, Sent] = {
    "a length": with_length(CSV),
    "chunks": chunks(CSV),
    "chunks of a byte": chunks(CSV, 1),
    "chunks with a trailer": chunks(CSV, end=b"0\r\nX-Checksum: 5\r\n\r\n"),
    "a length at the limit": with_length(of_size(LIMIT)),
    "chunks at the limit": chunks(of_size(LIMIT)),
    "one chunk at the limit": chunks(of_size(LIMIT), LIMIT),
}

TOO_LARGE: dict[str, Sent] = {
    "a length": with_length(of_size(LIMIT + 1)),
    "a length without a body": with_length(b"", LIMIT + 1),
    "a length beyond 2^63": with_length(b"", 10**30),
    "chunks": chunks(of_size(LIMIT + 1)),
    "one chunk": chunks(of_size(LIMIT + 1), LIMIT + 1),
    "chunks without an end": chunks(of_size(LIMIT + 1), end=b""),
    "ten times as much": with_length(of_size(10 * LIMIT)),
    "ten times as many chunks": chunks(of_size(10 * LIMIT)),
}

CUT_OFF: dict[str, Sent] = {
    "inside its length": with_length(CSV, len(CSV) + 1),
    "before its length begins": with_length(b"", len(CSV)),
    "inside a chunk": (CHUNKED, b"ffff\r\n" + CSV),
    "between chunks": chunks(CSV, end=b""),
    "inside the last chunk": chunks(CSV, end=b"0\r\n"),
}

MISFRAMED: dict[str, Sent] = {
    "a size in words": (CHUNKED, b"five\r\nEmma\n\r\n0\r\n\r\n"),
    "a negative size": (CHUNKED, b"-5\r\nEmma\n\r\n0\r\n\r\n"),
    "no size": (CHUNKED, b"\r\nEmma\r\n"),
    "a size that never ends": (CHUNKED, b"0" * 10_000),
    "more than its size": (CHUNKED, b"1\r\nEmma\r\n0\r\n\r\n"),
    "a broken extension": (CHUNKED, b"5;=\r\nEmma\n\r\n0\r\n\r\n"),
    "a broken trailer": chunks(CSV, end=b"0\r\nno colon\r\n\r\n"),
}

TYPES = {
    "CSV": ("/books/imports", "text/csv"),
    "a form with a file": ("/books/imports", "multipart/form-data; boundary=x"),
    "JSON": ("/books", "application/json"),
    "a form": ("/auth/login", "application/x-www-form-urlencoded"),
}


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
