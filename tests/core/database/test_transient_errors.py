"""Which errors of the database may pass by themselves."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.database import db, is_transient
from app.users.models import User
from tests.conftest import every_database

VALUE = "hunter2"


def error_of(statement: str) -> DBAPIError:
    """The error of a statement of SQL."""
    with pytest.raises(DBAPIError) as raised:
        db.session.execute(text(statement))
    return raised.value


def user(**fields: Any) -> User:
    return User(**({"email": "ada@example.org", "name": "Ada", "password_hash": "no hash"} | fields))


# --- Errors that may pass ---------------------------------------------------------------------------------------------

POSTGRESQL = {
    "connection lost": ("08006", True),
    "read-only": ("25006", True),
    "serialization failure": ("40001", True),
    "deadlock": ("40P01", True),
    "disk full": ("53100", True),
    "too many connections": ("53300", True),
    "lock timeout": ("55P03", True),
    "statement timeout": ("57014", True),
    "shutdown": ("57P01", True),
    "invalid text": ("22P02", False),
    "unique violation": ("23505", False),
    "no permission": ("42501", False),
    "syntax error": ("42601", False),
    "no such column": ("42703", False),
    "no such table": ("42P01", False),
    "internal error": ("XX000", False),
}
MARIADB = {
    "deadlock": (1213, True),
    "lock timeout": (1205, True),
    "statement timeout": (1969, True),
    "too many connections": (1040, True),
    "shutdown": (1053, True),
    "read-only": (1290, True),
    "disk full": (1021, True),
    "no permission": (1142, False),
    "syntax error": (1064, False),
    "no such column": (1054, False),
    "no such table": (1146, False),
    "no default value": (1364, False),
}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("state", "transient"), POSTGRESQL.values(), ids=POSTGRESQL)
def test_the_sqlstate_decides_on_postgresql(context: None, state: str, transient: bool) -> None:
    assert is_transient(error_of(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")) == transient


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
@pytest.mark.parametrize(("number", "transient"), MARIADB.values(), ids=MARIADB)
def test_the_error_number_decides_on_mariadb(context: None, number: int, transient: bool) -> None:
    assert is_transient(error_of(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}")) == transient


@every_database
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT missing FROM users",
        "SELECT 1 FROM missing",
        "SELEC 1",
        "SELECT missing(1)",
        "INSERT INTO users (email) VALUES ('ada@example.org')",
    ],
)
def test_a_mistake_in_the_code_or_the_schema_does_not_pass(context: None, statement: str) -> None:
    assert not is_transient(error_of(statement))


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_lost_connection_may_pass(context: None) -> None:
    kill = {
        "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
        "mysql": "KILL CONNECTION_ID()",
    }
    assert is_transient(error_of(kill[db.engine.dialect.name]))
    db.session.rollback()
    assert db.session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_wait_for_a_lock_that_takes_too_long_may_pass(context: None, app: Flask) -> None:
    with db.engine.connect() as other, other.begin():
        other.execute(
            insert(User).values(
                email="a@example.org", name="", password_hash="", role="", email_verified=False, active=True
            )
        )
        limit = {"postgresql": "SET LOCAL lock_timeout = '50ms'", "mysql": "SET innodb_lock_wait_timeout = 1"}
        connection = db.session.connection()
        connection.execute(text(limit[db.engine.dialect.name]))
        db.session.add(user(email="a@example.org"))
        with pytest.raises(DBAPIError) as raised:
            db.session.flush()
        connection.invalidate()  # the pool must not keep the limit
    assert is_transient(raised.value)


def test_a_locked_sqlite_file_may_pass(context: None) -> None:
    db.session.add(user())
    db.session.flush()
    with db.engine.connect() as other:
        other.connection.driver_connection.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]
        with pytest.raises(DBAPIError) as raised:
            other.execute(select(User.id))
        other.invalidate()
    assert is_transient(raised.value)


def test_a_full_disk_may_pass_on_sqlite(tmp_path: Any) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/full.db")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE films (poster BLOB)"))
        connection.execute(text("PRAGMA max_page_count = 1"))  # SQLite raises it to the current size
        with pytest.raises(DBAPIError) as raised:
            connection.execute(text("INSERT INTO films VALUES (zeroblob(1048576))"))
    engine.dispose()
    assert is_transient(raised.value)


@pytest.mark.parametrize("url", ["postgresql+psycopg://127.0.0.1:1/db", "mysql+pymysql://127.0.0.1:1/db"])
def test_an_unreachable_server_may_pass(url: str) -> None:
    with pytest.raises(DBAPIError) as raised:
        create_engine(url).connect()
    assert is_transient(raised.value)


def test_a_file_that_is_no_database_does_not_pass(tmp_path: Any) -> None:
    (tmp_path / "text.db").write_text("This is a text, not a database. " * 100)
    engine = create_engine(f"sqlite:///{tmp_path}/text.db")
    with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text("SELECT * FROM sqlite_master"))
    engine.dispose()
    assert not is_transient(raised.value)


def test_an_exhausted_pool_may_pass_and_other_errors_do_not() -> None:
    assert is_transient(PoolTimeout())
    assert not is_transient(ValueError())
    assert not is_transient(TimeoutError())
