"""Transactions: isolation, locks and lost updates."""

import subprocess
import sys
from typing import IO, cast

import pytest
from flask import Flask
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from app.core.database import commit, db
from app.core.database.engine import expect_reads
from app.core.settings import Settings
from app.jobs.models import Job
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.environment import LIBRARIES, ROOT
from tests.support.factories import create_note, create_user
from tests.support.notes.models import Note

COUNT_UP = """
import sys
from sqlalchemy import select
from app import create_app
from app.core.extensions import db
from app.jobs.models import Job

app = create_app()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    with app.app_context():  # each request has its own context and session
        job = db.session.scalars(select(Job).with_for_update()).one()
        job.done += 1
        db.session.commit()
"""


def test_on_sqlite_concurrent_read_modify_write_loses_no_update(app: Flask) -> None:
    with app.app_context():
        db.session.add(Job(owner_id=create_user().id, kind="count"))
        commit()
    settings: Settings = app.extensions["settings"]
    environment = {
        **LIBRARIES,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BROKER_URL": settings.broker_url.get_secret_value(),
        "SECRET_KEY": settings.secret_key.get_secret_value(),
    }
    counters = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT_UP, "25"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    pipes = [(cast(IO[str], counter.stdin), cast(IO[str], counter.stdout)) for counter in counters]
    assert [output.readline() for _, output in pipes] == ["ready\n"] * 4
    for start, _ in pipes:
        start.write("go\n")
        start.flush()
    assert [counter.wait(60) for counter in counters] == [0] * 4
    with app.app_context():
        assert db.session.scalar(select(Job.done)) == 100


@every_database
def test_readers_do_not_wait_for_a_writer(app: Flask) -> None:
    with app.app_context():
        note_id = create_note(create_user().id, number=1815).id
        note = db.session.get_one(Note, note_id)
        note.number = 1816
        db.session.flush()
        with app.app_context():  # its own session
            expect_reads()
            assert db.session.scalar(select(Note.number).where(Note.id == note_id)) == 1815
            db.session.rollback()
        commit()
        assert db.session.scalar(select(Note.number)) == 1816


def test_on_sqlite_a_second_writer_waits_and_then_fails(app: Flask) -> None:
    with app.app_context():
        create_user()
        db.session.scalar(select(User.id))  # takes the write lock
        with app.app_context(), db.engine.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]
            with pytest.raises(OperationalError, match="database is locked"):
                connection.execute(select(User.id))
            connection.invalidate()


def test_on_sqlite_a_context_that_expects_reads_takes_no_write_lock(app: Flask) -> None:
    statements: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    with app.app_context():
        expect_reads()
        event.listen(db.engine, "before_cursor_execute", record)
        try:
            db.session.execute(select(User.id))
        finally:
            event.remove(db.engine, "before_cursor_execute", record)
    assert statements[0] == "BEGIN"


@pytest.mark.parametrize("method", ["get", "head"])
def test_on_sqlite_a_read_request_takes_no_write_lock(app: Flask, ada: Client, method: str) -> None:
    with app.app_context():
        create_user("bob@example.org")
        db.session.scalar(select(User.id))  # takes the write lock
        assert ada.open(method.upper(), "/users/me").status_code == 200


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_servers_run_at_read_committed(app: Flask) -> None:
    with app.app_context():
        create_note(create_user().id, number=1815)
        assert db.session.scalar(select(Note.number)) == 1815
        with app.app_context():
            db.session.execute(update(Note).values(number=1816))
            db.session.commit()
        assert db.session.scalar(select(Note.number)) == 1816  # MariaDB's default isolation would still return 1815
        db.session.rollback()


def test_sqlite_uses_wal_and_full_synchronisation(context: None) -> None:
    pragmas = {name: db.session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


@every_database
def test_database_errors_contain_no_values(context: None) -> None:
    create_user("ada@example.org")
    db.session.add(User(email="ada@example.org", name="hunter2", password_hash="hunter2"))
    with pytest.raises(IntegrityError) as violated:
        db.session.flush()
    assert "hunter2" not in str(violated.value)
