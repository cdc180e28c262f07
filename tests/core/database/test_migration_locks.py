"""Locks of migrations: they also hold in autocommit blocks, in which a transaction's locks would be lost."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import create_engine, event, text

from app.core.database import db, migration_lock
from app.core.database.migration_lock import StillLocked
from app.core.urls import database_url
from tests.conftest import every_database
from tests.support.environment import wait_for

PROBE = '''
import json
from pathlib import Path

from alembic import op
from sqlalchemy import create_engine

from app.core.database.migration_lock import LOCKS

revision = "probe"
down_revision = "{head}"

LIMITS = {{
    "postgresql": "SHOW lock_timeout",
    "mysql": "SELECT CAST(@@lock_wait_timeout AS CHAR)",
    "sqlite": "PRAGMA busy_timeout",
}}


def probe():
    """Whether another process gets the migration lock, and the lock timeout of this one."""
    bind = op.get_bind()
    engine = create_engine(bind.engine.url)
    with LOCKS[engine.dialect.name](engine) as try_to_lock:
        locked = try_to_lock()
    engine.dispose()
    return [locked, bind.exec_driver_sql(LIMITS[bind.dialect.name]).scalar()]


def upgrade():
    results = [probe()]
    with op.get_context().autocommit_block():
        op.create_index("ix_probe", "users", ["name"], postgresql_concurrently=True)
        results.append(probe())
    op.execute("UPDATE users SET name = name")
    results.append(probe())
    Path("{results}").write_text(json.dumps(results))


def downgrade():
    op.drop_index("ix_probe", "users")
'''


@pytest.fixture
def migrations(migrations: Path, migrated: Flask, tmp_path: Path) -> Path:
    """The migrations, with one more that writes what it sees to a file."""
    with db.engine.connect() as connection:
        head = connection.scalar(text("SELECT version_num FROM alembic_version"))
    (migrations / "versions" / "probe.py").write_text(PROBE.format(head=head, results=tmp_path / "results"))
    return migrations


@every_database
def test_locks_hold_before_in_and_after_an_autocommit_block(migrations: Path, tmp_path: Path) -> None:
    flask_migrate.upgrade(directory=str(migrations))
    limit = {"postgresql": "5s", "mysql": "5", "sqlite": 600_000}[db.engine.dialect.name]
    assert json.loads((tmp_path / "results").read_text()) == [[False, limit]] * 3
    with migration_lock.migration_lock(db.engine):
        pass  # released


@every_database
def test_a_process_waits_for_the_one_that_migrates(migrated: Flask, url: str) -> None:
    engine = create_engine(database_url(url))
    waiting, finished = Event(), Event()

    def wait() -> bool:
        waiting.set()
        with migration_lock.migration_lock(engine):
            return finished.is_set()

    with ThreadPoolExecutor(1) as threads:
        with migration_lock.migration_lock(db.engine):
            other = threads.submit(wait)
            assert waiting.wait(10)
            with pytest.raises(TimeoutError):
                other.result(0.2)
            finished.set()
        assert other.result(10)
    engine.dispose()


@every_database
def test_a_process_does_not_wait_for_ever(migrated: Flask, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_lock, "TURN_TIMEOUT", 0)
    engine = create_engine(database_url(url))
    with (
        migration_lock.migration_lock(db.engine),
        pytest.raises(StillLocked),
        migration_lock.migration_lock(engine),
    ):
        pass
    engine.dispose()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_wait_can_be_longer_than_the_idle_timeout_of_a_connection(
    migrated: Flask, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.engine.dispose()
    event.listen(db.engine, "connect", lambda driver, _: driver.query("SET SESSION wait_timeout = 1"))
    observer = create_engine(database_url(url), isolation_level="AUTOCOMMIT")
    others = text("SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
    with observer.connect() as connection:
        name = "SHA1(CONCAT('migrations of ', DATABASE()))"
        assert connection.exec_driver_sql(f"SELECT GET_LOCK({name}, 0)").scalar() == 1

        def wait_for_timeouts(_seconds: float) -> None:
            """Release the lock when the process that waits has one connection left, which polls."""
            wait_for("idle connections are closed", lambda: connection.scalar(others) == 1)
            connection.exec_driver_sql(f"SELECT RELEASE_LOCK({name})")

        clock = SimpleNamespace(sleep=wait_for_timeouts, monotonic=time.monotonic)
        monkeypatch.setattr(migration_lock, "time", clock)
        flask_migrate.upgrade()
    observer.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_concurrent_index_does_not_wait_for_processes_that_wait_for_the_lock(migrated: Flask, url: str) -> None:
    """A process that waits in a query holds a snapshot, which CREATE INDEX CONCURRENTLY waits for."""
    engine = create_engine(database_url(url), connect_args={"application_name": "waits"})
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waits' AND query LIKE '%try_advisory%'"
    )

    def wait() -> None:
        with migration_lock.migration_lock(engine):
            pass

    autocommit = db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with ThreadPoolExecutor(1) as threads, autocommit.connect() as connection:
        with migration_lock.migration_lock(db.engine):
            other = threads.submit(wait)
            wait_for("the other process waits", lambda: connection.scalar(waits))
            connection.exec_driver_sql("SET lock_timeout = '5s'")
            connection.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_probe ON users (name)")
            connection.invalidate()
        other.result(10)
    engine.dispose()
