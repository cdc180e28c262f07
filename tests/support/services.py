"""Databases and brokers for tests, on servers found by URL.

Every server has a variable and a default. Where a server does not answer, its tests are skipped with the reason; with
`REQUIRE_SERVICES=1` they fail instead. Each database is named after the process that created it: see `leftovers`.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
import redis
from sqlalchemy import create_engine, text

from app.core.urls import database_url
from tests.support import leftovers

DATABASES = ("sqlite", "postgresql", "mariadb")
BROKERS = ("embedded", "rabbitmq", "redis")
RESERVED = "reserved-by-tests"  # a key in each database of Redis that a test uses
URLS = {
    "postgresql": os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306/test"),
    "redis": os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
    "rabbitmq": os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"),
}


def skip_or_fail(reason: str) -> None:
    """Skip the test, or fail it if all services are required."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def require(service: str) -> str:
    """Return the URL of a server that answers."""
    url = urlsplit(URLS[service])
    try:
        socket.create_connection((url.hostname or "", url.port or 0), timeout=3).close()
    except OSError as error:
        skip_or_fail(f"no {service} at {url.hostname}:{url.port}: {error}")
    return URLS[service]


@contextmanager
def new_database(kind: str, folder: Path) -> Iterator[str]:
    """Create an empty database, and drop it at the end."""
    name = leftovers.new_name()
    if kind == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    server = require(kind)
    leftovers.drop_databases(kind, server)
    engine = create_engine(database_url(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        leftovers.drop_database(engine, name)
        engine.dispose()


@contextmanager
def new_broker(kind: str, folder: Path) -> Iterator[str]:
    """Provide an empty broker: a file, a database of Redis, or a virtual host of RabbitMQ if we may create one."""
    if kind == "embedded":
        yield f"sqla+sqlite:///{folder / uuid4().hex}.db"
    elif kind == "redis":
        yield from _redis_database(require("redis"))
    else:
        yield from _rabbitmq_host(require("rabbitmq"))


def _redis_database(server: str) -> Iterator[str]:
    for number in range(1, 16):
        url = urlunsplit(urlsplit(server)._replace(path=f"/{number}"))
        client = redis.Redis.from_url(url)
        leftovers.empty_redis(client, RESERVED)
        if client.dbsize() == 0 and client.set(RESERVED, leftovers.new_name(), nx=True, ex=3600):
            try:
                yield url
            finally:
                client.flushdb()
            return
    skip_or_fail("no empty Redis database")


def _rabbitmq_host(server: str) -> Iterator[str]:
    name = leftovers.new_name()
    if shutil.which("rabbitmqctl") is None or leftovers.rabbitmqctl("add_vhost", name).returncode != 0:
        yield server  # we may not create a virtual host; messages of other tests do no harm
        return
    leftovers.drop_virtual_hosts()
    user = urlsplit(server).username or "guest"
    try:
        permissions = leftovers.rabbitmqctl("set_permissions", "--vhost", name, user, ".*", ".*", ".*")
        assert permissions.returncode == 0, permissions.stderr
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        leftovers.rabbitmqctl("delete_vhost", name)
