"""Publishing: a broker delays a request by a second at most."""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from app.core.broker import publisher as publisher_module
from app.core.broker.publisher import RETRY_PAUSE, Publisher
from app.core.broker.transports import PUBLISH_TIMEOUT
from tests.conftest import PublisherAt
from tests.support.clients import at_once
from tests.support.environment import free_port
from tests.support.services import BROKERS, new_broker

# A message may take PUBLISH_TIMEOUT, and more on a busy machine. Without timeouts, a silent broker blocks for a minute.
SOON = 10 * PUBLISH_TIMEOUT
every_broker = pytest.mark.parametrize("kind", BROKERS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of the publisher."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(publisher_module, "time", clock)
    return clock


@pytest.fixture
def long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a message take long: a publisher drops it after PUBLISH_TIMEOUT, which a busy machine may exceed."""
    monkeypatch.setattr(publisher_module, "PUBLISH_TIMEOUT", 30.0)


def seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def queue_length(publisher: Publisher) -> int:
    """The number of messages in the queue."""
    with publisher._celery.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare("celery", passive=True).message_count)


def record_sends(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record each attempt to send a message."""
    sends: list[Any] = []
    send = publisher._send

    def record(*message: Any) -> None:
        sends.append(message)
        send(*message)

    monkeypatch.setattr(publisher, "_send", record)
    return sends


@contextmanager
def refusing(scheme: str, folder: Path) -> Iterator[str]:
    """A URL that refuses connections. For the embedded broker, the path of a folder."""
    yield f"{scheme}://127.0.0.1:{free_port()}/" if scheme != "sqla+sqlite" else f"sqla+sqlite:///{folder}"


@contextmanager
def silent(scheme: str, folder: Path) -> Iterator[str]:
    """A server that accepts connections and never responds. For the embedded broker, a locked file."""
    if scheme == "sqla+sqlite":
        holder = sqlite3.connect(folder / "silent.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        yield f"sqla+sqlite:///{folder}/silent.db"
        holder.close()
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("scheme", ["amqp", "redis", "sqla+sqlite"])
@pytest.mark.parametrize("state", [refusing, silent])
def test_an_unresponsive_broker_delays_one_request_by_a_second(
    publisher_at: PublisherAt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: Any, scheme: str
) -> None:
    with state(scheme, tmp_path) as url:
        publisher = publisher_at(url)
        sends = record_sends(publisher, monkeypatch)
        first = seconds(lambda: publisher.publish("jobs.run", 1))
        assert first < SOON
        rest = sum(seconds(lambda: publisher.publish("jobs.run", 1)) for _ in range(20))
        assert len(sends) == 1
        if state is silent:
            assert rest < first / 2
        assert seconds(publisher._thread.shutdown) < SOON  # the thread ends


def test_concurrent_requests_wait_for_a_silent_broker_in_parallel(publisher_at: PublisherAt, tmp_path: Path) -> None:
    with silent("redis", tmp_path) as url:
        publisher = publisher_at(url)
        one_after_the_other = 20 * PUBLISH_TIMEOUT
        assert seconds(lambda: at_once(lambda: publisher.publish("jobs.run", 1), 20)) < one_after_the_other / 2


def test_a_hanging_transport_delays_one_request_by_a_second(
    publisher_at: PublisherAt, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resume, sent = Event(), []

    def hang(*message: Any) -> None:
        assert resume.wait(10)
        sent.append(message)

    publisher = publisher_at(f"sqla+sqlite:///{tmp_path}/broker.db")
    monkeypatch.setattr(publisher, "_send", hang)
    first = seconds(lambda: publisher.publish("jobs.run", 1))
    assert first < SOON
    assert sum(seconds(lambda: publisher.publish("jobs.run", 2)) for _ in range(20)) < first / 2
    resume.set()
    clock.now += RETRY_PAUSE
    publisher.publish("jobs.run", 3)
    assert sent == [("jobs.run", (1,)), ("jobs.run", (3,))]


def test_publishing_is_retried_after_a_pause(
    publisher_at: PublisherAt, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publisher = publisher_at(f"sqla+sqlite:///{tmp_path}")
    sends = record_sends(publisher, monkeypatch)
    for passed, times in ((0, 1), (RETRY_PAUSE - 0.1, 1), (0.1, 2), (RETRY_PAUSE - 0.1, 2), (0.1, 3)):
        clock.now += passed
        publisher.publish("jobs.run", 1)
        assert len(sends) == times


@every_broker
def test_messages_reach_the_queue(long_timeout: None, publisher_at: PublisherAt, tmp_path: Path, kind: str) -> None:
    with new_broker(kind, tmp_path) as url:
        publisher = publisher_at(url)
        for number in range(3):
            publisher.publish("jobs.run", number)
        assert queue_length(publisher) == 3


def cut(publisher: Publisher, kind: str) -> None:
    """Cut the connection of the last message, like a router that drops it."""
    connection = publisher._producer.connection
    if kind == "rabbitmq":
        sockets = [connection.connection.transport.sock]
    else:
        sockets = [one._sock for one in connection.default_channel.client.connection_pool._available_connections]
    assert sockets
    for one in sockets:
        with suppress(OSError):  # an idle connection in the pool may be cut already
            one.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("kind", ["rabbitmq", "redis"])
def test_a_dead_connection_loses_no_message(
    long_timeout: None, publisher_at: PublisherAt, tmp_path: Path, kind: str
) -> None:
    with new_broker(kind, tmp_path) as url:
        publisher = publisher_at(url)
        publisher.publish("jobs.run", 1)
        for number in (2, 3):
            cut(publisher, kind)
            publisher.publish("jobs.run", number)
        assert queue_length(publisher) == 3
