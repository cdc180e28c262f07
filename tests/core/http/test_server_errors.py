"""The worker class of web, in process: errors that no request can cause, and the listener at a shutdown."""

# mypy: allow-untyped-calls

import json
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ConfigurationProblem, InvalidResponseHeader
from gunicorn.workers.gthread import TConn

from app.core.http.server import Worker
from app.core.observability import request_id

ADDRESS = ("192.0.2.1", 40000)
BROKEN = [RuntimeError("hunter2"), ConfigurationProblem("hunter2"), InvalidResponseHeader("hunter2")]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # as gunicorn's master does
        yield listener


@pytest.fixture
def worker(listener: socket.socket) -> Iterator[Worker]:
    """A worker of this process, which logs to a standard logger."""
    worker = Worker(1, os.getppid(), [listener], None, 30, Config(), logging.getLogger("tests.server"))
    with selectors.DefaultSelector() as worker.poller:
        yield worker
    worker.tmp.close()


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_an_error_of_the_server_is_a_500_without_its_text(
    worker: Worker, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    client, server = socket.socketpair()
    with client:
        with server:
            worker.handle_error(None, server, ADDRESS, error)
        with HTTPResponse(client) as response:
            response.begin()
            body = response.read()
    assert (response.status, response.headers["Content-Type"]) == (500, "application/problem+json")
    assert response.headers["X-Request-ID"] == json.loads(body)["request_id"]
    assert b"hunter2" not in body
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("ERROR", "error outside of the application")
    assert record.exc_info
    assert record.exc_info[1] is error


def test_a_client_that_has_disconnected_causes_no_second_error(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    client, server = socket.socketpair()
    client.close()
    with server:
        worker.handle_error(None, server, "", RuntimeError("hunter2"))
    assert [record.message for record in caplog.records] == ["error outside of the application"]
    assert request_id() is None


def test_a_shutdown_serves_established_connections_and_refuses_later_ones(
    worker: Worker, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted: list[TConn] = []
    monkeypatch.setattr(worker, "enqueue_req", accepted.append)
    worker.set_accept_enabled(True)
    address = listener.getsockname()
    with socket.create_connection(address) as first, socket.create_connection(address) as second:
        worker.alive = False
        worker.set_accept_enabled(False)
        assert {connection.client for connection in accepted} == {first.getsockname(), second.getsockname()}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
    for connection in accepted:
        connection.close()


def test_a_worker_whose_parent_has_died_closes_the_listener_too(worker: Worker, listener: socket.socket) -> None:
    worker.ppid = -1
    worker.set_accept_enabled(False)
    assert listener.fileno() == -1


def test_a_pause_keeps_the_listener_open(worker: Worker, listener: socket.socket) -> None:
    worker.set_accept_enabled(True)
    worker.set_accept_enabled(False)
    socket.create_connection(listener.getsockname()).close()


def test_connections_without_a_request_delay_a_shutdown_only_briefly(worker: Worker) -> None:
    silent, ending = SimpleNamespace(timeout=float("inf")), SimpleNamespace(timeout=0.0)
    worker.pending_conns.extend([silent, ending])
    worker.alive = False
    worker.set_accept_enabled(False)
    assert 0.0 < silent.timeout < float("inf")
    assert ending.timeout == 0.0


def test_a_term_stops_the_worker_only_after_a_delay(worker: Worker) -> None:
    """The master closes its listener in this time."""
    worker.method_queue.init()
    worker.handle_exit(signal.SIGTERM, None)
    worker.wait_for_and_dispatch_events(0)
    alive = [worker.alive]
    worker.exit_at = time.monotonic()
    worker.wait_for_and_dispatch_events(30)
    assert [*alive, worker.alive] == [True, False]
    worker.method_queue.close()
