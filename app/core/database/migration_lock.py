"""The migration lock: of several processes that migrate one database, one runs and the others wait."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

LOCK_TIMEOUT = 5  # seconds; requests that need a lock wait behind a migration that waits for it
TURN_TIMEOUT = 600  # seconds to wait for another process that migrates
POLL_INTERVAL = 0.5  # seconds


class StillLocked(Exception):
    """Another process has held the migration lock for `TURN_TIMEOUT` seconds."""


@contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Hold the migration lock. It does not depend on the transactions of the migrations.

    On the servers, a connection of its own holds the lock, in one transaction: a migration may commit at any time, and
    a pooler such as PgBouncer keeps a server connection for each open transaction only.

    Raises:
        StillLocked: Another process holds the lock for too long.
    """
    with ExitStack() as stack:
        try_to_lock = stack.enter_context(LOCKS[engine.dialect.name](engine))
        deadline = time.monotonic() + TURN_TIMEOUT
        # A query that waits holds a snapshot, and CREATE INDEX CONCURRENTLY waits for all snapshots. So poll.
        while not try_to_lock():
            if time.monotonic() > deadline:
                raise StillLocked
            time.sleep(POLL_INTERVAL)
        yield


def limit_lock_waits(connection: Connection) -> None:
    """Let each statement of the migrations wait `LOCK_TIMEOUT` seconds for a lock, also outside transactions.

    On SQLite, a transaction begins with the only lock. It waits as long as for another migration.
    """
    if connection.dialect.name == "postgresql":
        event.listen(connection, "begin", _limit_transaction)
    elif connection.dialect.name == "mysql":
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_TIMEOUT}")
        connection.commit()
    else:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {TURN_TIMEOUT * 1000}")


def _limit_transaction(connection: Connection) -> None:
    """Set the timeout anew: a pooler may run each transaction on another server connection.

    `SET LOCAL` ends with the transaction, so the next client of a pooler does not inherit it. An autocommit block has
    no transaction, so its timeout is set for the session, and reset by the next transaction.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}s'")
    else:
        connection.exec_driver_sql(f"RESET lock_timeout; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")


@contextmanager
def _lock_on_postgresql(engine: Engine) -> Iterator[Callable[[], bool]]:
    with engine.connect() as connection:

        def try_to_lock() -> bool:
            connection.rollback()
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            return bool(connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(hashtext('migrations'))").scalar())

        yield try_to_lock


@contextmanager
def _lock_on_mysql(engine: Engine) -> Iterator[Callable[[], bool]]:
    name = "SHA1(CONCAT('migrations of ', DATABASE()))"  # locks are those of the server
    with engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION wait_timeout = 86400")  # the connection is idle during the migrations
        try:
            yield lambda: connection.exec_driver_sql(f"SELECT GET_LOCK({name}, 0)").scalar() == 1
        finally:
            connection.invalidate()  # closed, it releases the lock


@contextmanager
def _lock_on_sqlite(engine: Engine) -> Iterator[Callable[[], bool]]:
    """Lock the folder. A lock on the file could interfere with SQLite's own."""
    folder = os.open(Path(str(engine.url.database)).parent, os.O_RDONLY)

    def try_to_lock() -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    try:
        yield try_to_lock
    finally:
        os.close(folder)


LOCKS = {"postgresql": _lock_on_postgresql, "mysql": _lock_on_mysql, "sqlite": _lock_on_sqlite}
