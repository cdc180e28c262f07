"""Errors of the web server, outside of the application, and its start with a wrong environment."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import ROOT, environment, free_port, service_variables, wait_for

WEB = ROOT / "bin" / "web"
REQUEST_ID = "0123456789abcdef-router"

ERRORS: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "a method in lower case": (b"get / HTTP/1.1\r\n\r\n", 400),
    "a header without a colon": (b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
    "a header with a space before the colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "a length in words": (b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 400),
    "a long path": (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
    "an unknown expectation": (b"GET / HTTP/1.1\r\nExpect: tea\r\n\r\n", 417),
    "a long header": (b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n", 431),
    "an unknown coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding: tea\r\n\r\n", 501),
    "an unknown version": (b"GET / HTTP/9.9\r\n\r\n", 505),
}


class Web:
    """A web process. An empty variable counts as unset, also one that gunicorn reads."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        urls = f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db"
        variables = service_variables(*urls) | {"PORT": self.port, "WEB_CONCURRENCY": "", "LOG_FORMAT": "json"}
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([WEB], env=environment(variables), stdout=log, stderr=subprocess.STDOUT)

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, request: bytes) -> tuple[HTTPResponse, bytes]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            with closing(HTTPResponse(connection)) as response:
                response.begin()
                return response, response.read()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(tmp_path_factory.mktemp("web"))
    try:
        wait_for("web listens", web.listens)
        yield web
    finally:
        web.process.send_signal(signal.SIGTERM)
        web.process.wait(60)


@pytest.mark.parametrize(("request_bytes", "status"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_the_server_is_a_problem(web: Web, request_bytes: bytes, status: int) -> None:
    response, body = web.send(request_bytes)
    assert (response.status, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert response.headers["Connection"] == "close"
    problem = json.loads(body)
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == status
    assert re.fullmatch("[0-9a-f]{32}", problem["request_id"])
    assert problem["request_id"] == response.headers["X-Request-ID"]


def test_the_log_of_an_error_of_the_server_has_its_request_id(web: Web) -> None:
    _, body = web.send(b"hello hunter2\r\n\r\n")
    request_id = json.loads(body)["request_id"]
    (event,) = [event for event in web.events() if event.get("http", {}).get("request", {}).get("id") == request_id]
    assert (event["log.level"], event["log"]["logger"]) == ("warning", "gunicorn.error")
    assert event["message"].startswith("invalid request from ")


def test_a_request_that_is_parsed_in_part_keeps_its_id_and_has_an_access_line(web: Web) -> None:
    head = f"POST /tea?token=hunter2 HTTP/1.1\r\nX-Request-ID: {REQUEST_ID}\r\nContent-Length: ten\r\n\r\n"
    response, body = web.send(head.encode())
    assert response.headers["X-Request-ID"] == json.loads(body)["request_id"] == REQUEST_ID
    (event,) = [event for event in web.events() if event["log"]["logger"] == "gunicorn.access" and "tea" in str(event)]
    assert event["message"] == "POST /tea 400"
    assert event["http"]["request"] == {"id": REQUEST_ID, "method": "POST"}
    assert "hunter2" not in str(event)


def run_web(folder: Path, **variables: str) -> tuple[int, str]:
    """The exit code and the output of web with an environment that makes it end at once."""
    urls = f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db"
    env = environment(service_variables(*urls) | variables)
    done = subprocess.run([WEB], env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("value", ["hunter2", "-1", "0", "9" * 30])
def test_a_wrong_number_of_processes_ends_web_with_one_message(tmp_path: Path, value: str) -> None:
    code, output = run_web(tmp_path, WEB_CONCURRENCY=value)
    assert code == 1
    first, fault, last = output.splitlines()
    assert first == "The configuration is invalid, so nothing was started:"
    assert fault.startswith("  WEB_CONCURRENCY should be ")
    assert last == "See .env.example for every variable."


def test_the_message_names_all_wrong_variables(tmp_path: Path) -> None:
    code, output = run_web(tmp_path, WEB_CONCURRENCY="hunter2", PORT="hunter2", LOG_FORMAT="hunter2")
    assert code == 1
    assert [line.split()[0] for line in output.splitlines()[1:-1]] == ["PORT", "WEB_CONCURRENCY", "LOG_FORMAT"]
    assert "hunter2" not in output
