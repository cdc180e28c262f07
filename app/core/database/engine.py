"""Engine options, and what each kind of database needs to behave like the others."""

import socket
from functools import partial
from typing import Any

from flask import g, has_app_context
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from app.core.settings import Settings
from app.core.urls import create_folder, database_url

# Close a connection whose peer has vanished after ten seconds. TCP's own timeout is a quarter of an hour while data is
# unacknowledged, and infinite while the client only waits for an answer.
TCP_TIMEOUTS = (
    # libpq's name, the socket option, and the value: milliseconds in the first row, seconds or a count in the others
    ("tcp_user_timeout", "TCP_USER_TIMEOUT", 10_000),
    ("keepalives_idle", "TCP_KEEPIDLE", 5),
    ("keepalives_interval", "TCP_KEEPINTVL", 2),
    ("keepalives_count", "TCP_KEEPCNT", 3),
)

# End the session of a client that was frozen or cut off inside a transaction: others wait for its locks.
SESSION_TIMEOUTS = {
    # While psycopg sends a pipeline of statements, the session is not idle, and only TCP detects a lost client.
    "postgresql": """
        SET idle_in_transaction_session_timeout = '20s';
        SET tcp_keepalives_idle = 5;
        SET tcp_keepalives_interval = 2;
        SET tcp_keepalives_count = 3;
        SET tcp_user_timeout = '10s'
    """,
    "mysql": "SET SESSION wait_timeout = 20",  # ends idle connections as well; the pool replaces them
}


def engine_options(settings: Settings) -> dict[str, Any]:
    """The keyword arguments of `create_engine` for the database in `DATABASE_URL`."""
    kind = database_url(settings.database_url.get_secret_value()).get_backend_name()
    options: dict[str, Any] = {
        "hide_parameters": True,  # error messages are logged, and parameters are users' data
        "pool_size": settings.web_threads,
        "max_overflow": 2,
        "pool_pre_ping": True,  # after a restart of the database, reconnect instead of failing
        "pool_recycle": 300,  # seconds; below the idle limits of common servers and proxies
    }
    if kind == "sqlite":
        return options | {"connect_args": {"timeout": 5}}
    if kind == "mysql":
        options["isolation_level"] = "READ COMMITTED"  # PostgreSQL's default
        return options | {"connect_args": {"connect_timeout": 3}}
    # A pooler may run each transaction on another server connection, which lacks earlier prepared statements.
    timeouts = {name: value for name, _, value in TCP_TIMEOUTS}
    return options | {"connect_args": {"connect_timeout": 3, "prepare_threshold": None} | timeouts}


def prepare_engine(engine: Engine) -> None:
    """Set timeouts on each new connection, and make SQLite behave like a server.

    On SQLite that means: transactions, foreign keys, and readers beside one writer.
    """
    event.listen(engine, "before_cursor_execute", _note_write)
    if engine.dialect.name == "mysql":
        event.listen(engine, "connect", _set_tcp_timeouts)
    if engine.dialect.name in SESSION_TIMEOUTS:
        event.listen(engine, "connect", partial(_execute, SESSION_TIMEOUTS[engine.dialect.name]))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _create_folder)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)


def read_connection(engine: Engine) -> Connection:
    """Open a connection for reads outside the session.

    It takes no write lock on SQLite and starts no transaction on PostgreSQL. On MySQL it stays transactional:
    autocommit costs a round trip there, and the pool leaks the connection if the server has closed it.
    """
    connection = engine.connect()
    if engine.dialect.name == "mysql":
        return connection
    return connection.execution_options(isolation_level="AUTOCOMMIT")


def expect_reads() -> None:
    """Declare that the current application context reads: its transactions take no write lock on SQLite.

    It can still write. If another connection has written since its transaction began, SQLite then refuses the write,
    and the request fails with 503.
    """
    g.expects_reads = True


def has_written() -> bool:
    """Whether the current transaction has written, or may have: text is not analysed."""
    return not has_app_context() or bool(g.get("has_written", False))


def forget_writes() -> None:
    """Start a transaction that has written nothing."""
    if has_app_context():
        g.has_written = False


def _note_write(_c: Connection, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    if has_app_context() and (context.is_crud or context.isddl or context.is_text):
        g.has_written = True


def _execute(statement: str, connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.commit()


def _set_tcp_timeouts(connection: Any, _record: Any) -> None:
    """Set on PyMySQL's socket what libpq sets itself. PyMySQL's `read_timeout` would end long migrations."""
    peer = connection._sock  # noqa: SLF001
    if peer.family == socket.AF_UNIX:
        return
    for _, option, value in TCP_TIMEOUTS:
        if hasattr(socket, option):  # Linux has all of them
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _create_folder(_dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
    create_folder(arguments[0])


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions too late; _begin_sqlite begins them
    # SQLite's own lower() changes ASCII letters only.
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first: two readers that both go on to write would lose an update."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    reads = has_app_context() and g.get("expects_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
