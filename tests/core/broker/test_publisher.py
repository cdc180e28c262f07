"""Publishing: a broker delays a request by a second at most."""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from app import create_app
from app.core.broker import publisher
from app.core.broker.publisher import RETRY_PAUSE, Publisher
from tests.conftest import make_settings
from tests.support.clients import at_once
from tests.support.environment import free_port
from tests.support.services import BROKERS, new_broker

AT_MOST = 2.5  # seconds that one message may take, on a busy machine
every_broker = pytest.mark.parametrize("kind", BROKERS)
BrokerAt = Callable[[str], Publisher]


@pytest.fixture
def broker_at(tmp_path: Path) -> Iterator[BrokerAt]:
    """The broker at a URL, as a process meets it that has just started. Its thread must come to an end."""
    with ExitStack() as stack:

        def build(url: str) -> Publisher:
            broker: Publisher = create_app(make_settings(f"sqlite:///{tmp_path}/app.db", url)).extensions["publisher"]
            stack.callback(broker._thread.shutdown)
            return broker

        yield build


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the circuit breaker sees."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(publisher, "time", clock)
    return clock


def seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def waiting(broker: Publisher) -> int:
    """How many messages are in the queue."""
    with broker._celery.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare("celery", passive=True).message_count)


def ask(broker: Publisher, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note each time that the broker is asked to take a message."""
    asked: list[Any] = []
    send = broker._send

    def note(*message: Any) -> None:
        asked.append(message)
        send(*message)

    monkeypatch.setattr(broker, "_send", note)
    return asked


@contextmanager
def refusing(scheme: str, folder: Path) -> Iterator[str]:
    """Nobody listens; the embedded broker's file is none."""
    yield f"{scheme}://127.0.0.1:{free_port()}/" if scheme != "sqla+sqlite" else f"sqla+sqlite:///{folder}"


@contextmanager
def silent(scheme: str, folder: Path) -> Iterator[str]:
    """Somebody listens, and never says anything; of the embedded broker, somebody keeps the file to himself."""
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
    broker_at: BrokerAt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: Any, scheme: str
) -> None:
    with state(scheme, tmp_path) as url:
        broker = broker_at(url)
        asked = ask(broker, monkeypatch)
        first = seconds(lambda: broker.publish("jobs.run", 1))
        assert first < AT_MOST
        spared = sum(seconds(lambda: broker.publish("jobs.run", 1)) for _ in range(20))
        assert len(asked) == 1
        if state is silent:
            assert spared < first / 2
        assert seconds(broker._thread.shutdown) < 2 * AT_MOST  # what the broker holds up is not held up for ever


def test_concurrent_requests_wait_for_a_silent_broker_in_parallel(broker_at: BrokerAt, tmp_path: Path) -> None:
    with silent("redis", tmp_path) as url:
        broker = broker_at(url)
        assert seconds(lambda: at_once(lambda: broker.publish("jobs.run", 1), 8)) < AT_MOST


def test_a_hanging_transport_delays_one_request_by_a_second(
    broker_at: BrokerAt, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go_on, sent = Event(), []

    def hang(*message: Any) -> None:
        assert go_on.wait(10)
        sent.append(message)

    broker = broker_at(f"sqla+sqlite:///{tmp_path}/broker.db")
    monkeypatch.setattr(broker, "_send", hang)
    first = seconds(lambda: broker.publish("jobs.run", 1))
    assert first < AT_MOST
    assert sum(seconds(lambda: broker.publish("jobs.run", 2)) for _ in range(20)) < first / 2
    go_on.set()
    clock.now += RETRY_PAUSE
    broker.publish("jobs.run", 3)
    assert sent == [("jobs.run", (1,)), ("jobs.run", (3,))]


def test_publishing_is_retried_after_a_pause(
    broker_at: BrokerAt, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broker = broker_at(f"sqla+sqlite:///{tmp_path}")
    asked = ask(broker, monkeypatch)
    for passed, times in ((0, 1), (RETRY_PAUSE - 0.1, 1), (0.1, 2), (RETRY_PAUSE - 0.1, 2), (0.1, 3)):
        clock.now += passed
        broker.publish("jobs.run", 1)
        assert len(asked) == times


@every_broker
def test_messages_reach_the_queue(broker_at: BrokerAt, tmp_path: Path, kind: str) -> None:
    with new_broker(kind, tmp_path) as url:
        broker = broker_at(url)
        for number in range(3):
            broker.publish("jobs.run", number)
        assert waiting(broker) == 3


def cut(broker: Publisher, kind: str) -> None:
    """Cut the connection that the broker's last message went through, as a router does that forgets it."""
    connection = broker._producer.connection
    if kind == "rabbitmq":
        sockets = [connection.connection.transport.sock]
    else:
        sockets = [one._sock for one in connection.default_channel.client.connection_pool._available_connections]
    assert sockets
    for one in sockets:
        with suppress(OSError):  # it may be cut already, and only lie about in a pool
            one.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("kind", ["rabbitmq", "redis"])
def test_a_dead_connection_loses_no_message(broker_at: BrokerAt, tmp_path: Path, kind: str) -> None:
    with new_broker(kind, tmp_path) as url:
        broker = broker_at(url)
        broker.publish("jobs.run", 1)
        for number in (2, 3):
            cut(broker, kind)
            broker.publish("jobs.run", number)
        assert waiting(broker) == 3
