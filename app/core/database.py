"""The database: declarative base, portable column types, and what each kind of server needs to behave alike."""

import socket
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from flask import has_request_context, request
from sqlalchemy import BigInteger, Connection, DateTime, Dialect, Integer, LargeBinary, MetaData, event
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.core.settings import Settings
from app.core.urls import database_url


def utcnow() -> datetime:
    """The present moment, with its time zone."""
    return datetime.now(UTC)


class UTCDateTime(TypeDecorator[datetime]):
    """A moment to the microsecond, in UTC on every database; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


# SQLite counts rows by itself only in an INTEGER; the others get room for 2^63 rows.
BigInt = BigInteger().with_variant(Integer, "sqlite")
# MySQL's plain BLOB ends at 64 KiB.
Bytes = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")

Id = Annotated[int, mapped_column(BigInt, primary_key=True)]
Timestamp = Annotated[datetime, mapped_column(UTCDateTime)]


class Base(DeclarativeBase):
    """What every model inherits. Constraint names are fixed, so that migrations can name what they change."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Timestamps:
    """Mixin: when a row was created and last changed."""

    created_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    updated_at: Mapped[Timestamp] = mapped_column(default=utcnow, onupdate=utcnow)


@compiles(CreateTable, "mysql", "mariadb")
def _compare_bytes(create: CreateTable, compiler: Any, **options: Any) -> str:
    """A server's default character set may hold no emoji, or call two ISBNs, emails or names equal that are not."""
    return f"{compiler.visit_create_table(create, **options)} CHARSET=utf8mb4 COLLATE=utf8mb4_bin"


@compiles(CreateTable, "sqlite")
def _never_reuse_ids(create: CreateTable, compiler: Any, **options: Any) -> str:
    """Without AUTOINCREMENT, SQLite gives a deleted row's id to the next: a late message would meet a stranger."""
    create.element.dialect_options["sqlite"]["autoincrement"] = True
    return str(compiler.visit_create_table(create, **options))


# A host that has vanished is given up after ten seconds, and not when TCP does: a quarter of an hour later, or never,
# where all that is on its way is an answer. Who waits for one has to ask meanwhile whether anybody is there.
SILENCE = (
    # libpq's name, TCP's, and milliseconds in the first, seconds in the others
    ("tcp_user_timeout", "TCP_USER_TIMEOUT", 10_000),
    ("keepalives_idle", "TCP_KEEPIDLE", 5),
    ("keepalives_interval", "TCP_KEEPINTVL", 2),
    ("keepalives_count", "TCP_KEEPCNT", 3),
)


def engine_options(settings: Settings) -> dict[str, Any]:
    """The keyword arguments of `create_engine` that fit the database which `DATABASE_URL` names."""
    kind = database_url(settings.database_url.get_secret_value()).get_backend_name()
    options: dict[str, Any] = {
        "hide_parameters": True,  # error messages go to the log, and values are our users'
        "pool_size": settings.web_threads,
        "max_overflow": 2,
        "pool_pre_ping": True,  # a restarted database costs a reconnect instead of an error
        "pool_recycle": 300,  # below the idle limits of common servers and proxies
    }
    if kind == "sqlite":
        return options | {"connect_args": {"timeout": 5}}
    if kind == "mysql":
        options["isolation_level"] = "READ COMMITTED"  # as PostgreSQL has it: one behaviour to reason about
        return options | {"connect_args": {"connect_timeout": 3}}
    # What one server connection has prepared, the next that a pooler gives us does not know.
    bounds = {name: value for name, _, value in SILENCE}
    return options | {"connect_args": {"connect_timeout": 3, "prepare_threshold": None} | bounds}


# Nobody waits longer for the locks of a process that was frozen, or cut off, in the middle of a transaction.
FORSAKEN_AFTER = {
    # In the middle of a pipeline, as psycopg inserts many rows, no session is idle: there only TCP finds out.
    "postgresql": """
        SET idle_in_transaction_session_timeout = '20s';
        SET tcp_keepalives_idle = 5;
        SET tcp_keepalives_interval = 2;
        SET tcp_keepalives_count = 3;
        SET tcp_user_timeout = '10s'
    """,
    "mysql": "SET SESSION wait_timeout = 20",  # ends idle connections as well; the pool makes new ones
}


def prepare_engine(engine: Engine) -> None:
    """Make SQLite behave like a server: real transactions, foreign keys, readers beside one writer.

    Servers are told when to give a silent client up.
    """
    if engine.dialect.name == "mysql":
        event.listen(engine, "connect", _expect_life)
    if engine.dialect.name in FORSAKEN_AFTER:
        event.listen(engine, "connect", partial(_execute, FORSAKEN_AFTER[engine.dialect.name]))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)


def reading(engine: Engine) -> Connection:
    """Connect to read: beside whoever writes, on SQLite, and without a word about transactions, on PostgreSQL.

    MySQL would have to be told, before and after; and the pool leaks a connection whose server has gone meanwhile.
    """
    connection = engine.connect()
    if engine.dialect.name == "mysql":
        return connection
    return connection.execution_options(isolation_level="AUTOCOMMIT")


def _execute(statement: str, connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.commit()


def _expect_life(connection: Any, _record: Any) -> None:
    """Set for PyMySQL what libpq sets itself. A `read_timeout` would end every long statement, and so migrations."""
    peer = connection._sock  # noqa: SLF001
    if peer.family == socket.AF_UNIX:
        return
    for _, option, value in SILENCE:
        if hasattr(socket, option):  # Linux has all of them
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions late; _begin_sqlite does
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)  # knows only ASCII
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first: two deferred readers that both turn to writing would lose an update."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    reads_only = has_request_context() and request.method in ("GET", "HEAD", "OPTIONS")
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
