"""An acknowledgement that does not reach Redis: the consumer goes on."""

# mypy: allow-untyped-calls

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from redis import exceptions

from app.core.broker.redis import QoS, Transport


class Server:
    """A Redis client at the edge: its pipelines succeed until the connection is lost."""

    def __init__(self) -> None:
        self.is_lost = False

    def pipeline(self) -> "Server":
        return self

    def zadd(self, *_: object) -> "Server":
        return self

    hset = zrem = hdel = zadd

    def execute(self) -> None:
        if self.is_lost:
            raise exceptions.ConnectionError("the connection is lost")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def qos(server: Server) -> QoS:
    """The messages of a consumer that accepts one at a time."""

    @contextmanager
    def connection(_client: object = None) -> Iterator[Server]:
        yield server

    names = {"unacked_key": "unacked", "unacked_index_key": "unacked_index"}
    return QoS(SimpleNamespace(conn_or_acquire=connection, do_restore=False, **names), prefetch_count=1)


def receive(qos: QoS, tag: str) -> None:
    qos.append(SimpleNamespace(delivery_info={"exchange": "", "routing_key": "celery"}, _raw={}), tag)


def test_an_acknowledged_message_frees_its_place(qos: QoS) -> None:
    receive(qos, "first")
    assert not qos.can_consume()
    qos.ack("first")
    assert qos.can_consume()


def test_a_lost_acknowledgement_is_an_error_and_still_frees_its_place(qos: QoS, server: Server) -> None:
    receive(qos, "first")
    server.is_lost = True
    with pytest.raises(exceptions.ConnectionError):
        qos.ack("first")
    assert qos.can_consume()
    server.is_lost = False
    receive(qos, "second")
    assert not qos.can_consume()


def test_the_transport_uses_these_acknowledgements() -> None:
    assert Transport.Channel.QoS is QoS
