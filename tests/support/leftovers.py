"""Databases, Redis databases and virtual hosts that killed test runs have left behind.

Everything that a test creates on a shared server is named after this machine and the process that created it. The next
run drops what belongs to a process of this machine that no longer exists.
"""

import hashlib
import os
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

import redis
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.core.urls import database_url

DATABASES = {"postgresql": "SELECT datname FROM pg_database", "mariadb": "SHOW DATABASES"}


def _machine() -> str:
    """Identify the machine and, in a container, the namespace that its process ids belong to."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:6]


PREFIX = f"barah_{_machine()}"


def new_name() -> str:
    """Name something after this process."""
    return f"{PREFIX}_{os.getpid()}_{uuid4().hex[:8]}"


def is_abandoned(name: str) -> bool:
    """Whether a name belongs to a process of this machine that has ended."""
    found = re.fullmatch(rf"{PREFIX}_(\d+)_[0-9a-f]{{8}}", name)
    if not found:
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


@cache  # once in a run
def drop_databases(kind: str, server: str) -> None:
    """Drop the databases of processes that have ended."""
    engine = create_engine(database_url(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        names = connection.scalars(text(DATABASES[kind])).all()
    for name in filter(is_abandoned, names):
        with suppress(SQLAlchemyError):  # another run drops it, too
            drop_database(engine, name)
    engine.dispose()


def drop_database(engine: Engine, name: str) -> None:
    """Drop a database, even if clients are still connected to it."""
    force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}{force}"))


def empty_redis(client: redis.Redis, key: str) -> None:
    """Empty a database of Redis if the process that reserved it with this key has ended."""
    owner = client.get(key)
    if isinstance(owner, bytes) and is_abandoned(owner.decode()):
        client.flushdb()


@cache  # once in a run
def drop_virtual_hosts() -> None:
    """Delete the virtual hosts of processes that have ended."""
    for name in filter(is_abandoned, rabbitmqctl("list_vhosts", "name").stdout.split()):
        rabbitmqctl("delete_vhost", name)


def rabbitmqctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `rabbitmqctl` on the machine's own RabbitMQ."""
    return subprocess.run(["rabbitmqctl", "--quiet", *arguments], check=False, capture_output=True, text=True)
