"""The database: what holds on every kind of it, and what SQLite and MariaDB have to be taught."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import IO, cast

import pytest
from flask import Flask
from sqlalchemy import delete, event, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from app.auth.models import Session
from app.books.models import Book
from app.core.database import affected_rows, after_commit, commit, db, flush, rollback
from app.core.errors import Conflict
from app.core.settings import Settings
from app.jobs.models import Job, JobInput
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import PASSWORD, Client
from tests.support.environment import LIBRARIES, ROOT

ISBN = "9780141439587"


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """An application context, as a worker or a command has one."""
    with app.app_context():
        yield
        rollback()


def add_user(email: str = "ada@example.org") -> User:
    """A committed user."""
    user = User(email=email, name="Ada", password_hash="no hash")
    db.session.add(user)
    commit()
    return user


def add_book(owner: User, isbn: str = ISBN, **fields: object) -> Book:
    """A committed book."""
    book = Book(**({"owner_id": owner.id, "title": "Emma", "author": "Jane Austen", "isbn": isbn} | fields))
    db.session.add(book)
    commit()
    return book


# --- Moments ----------------------------------------------------------------------------------------------------------


@every_database
@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 20, 23, 59, 59, 999999, UTC),
        datetime(2026, 11, 20, 12, 0, 0, 1, timezone(timedelta(hours=5, minutes=30))),
        datetime(2026, 1, 1, 0, 30, tzinfo=timezone(-timedelta(hours=8))),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
    ids=str,
)
def test_a_time_is_stored_to_the_microsecond_and_read_in_utc(context: None, moment: datetime) -> None:
    user = add_user()
    db.session.execute(update(User).values(created_at=moment))
    read = db.session.scalar(select(User.created_at).where(User.id == user.id))
    assert read == moment
    assert read.tzinfo is UTC


@every_database
def test_times_of_different_zones_compare_correctly(context: None) -> None:
    user = add_user()
    noon_in_india = datetime(2026, 11, 20, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    db.session.execute(update(User).values(created_at=noon_in_india))
    earlier = datetime(2026, 11, 20, 6, 29, 59, 999999, UTC)
    assert db.session.scalars(select(User.id).where(User.created_at > earlier)).all() == [user.id]
    assert db.session.scalars(select(User.id).where(User.created_at == noon_in_india.astimezone(UTC))).all()


@every_database
def test_a_time_without_a_zone_is_refused(context: None) -> None:
    add_user()
    with pytest.raises(StatementError, match="a moment without a time zone"):
        db.session.execute(update(User).values(created_at=datetime(2026, 11, 20)))  # noqa: DTZ001


# --- Text -------------------------------------------------------------------------------------------------------------


@every_database
@pytest.mark.parametrize(
    "title", ["📚 Emma 👩🏽‍🚀", "𝔈𝔪𝔪𝔞 𠜎", "Э́мма", "إيما", "a" * 500, "🐉" * 500], ids=lambda title: str(title)[:8]
)
def test_any_text_is_stored_unchanged(context: None, title: str) -> None:
    book = add_book(add_user(), title=title)
    assert db.session.scalar(select(Book.title).where(Book.id == book.id)) == title


@every_database
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@example.org", "ada@example.org"),
        ("ren\u00e9@example.org", "rene@example.org"),
        ("ren\u00e9@example.org", "rene\u0301@example.org"),
        ("ß@example.org", "ss@example.org"),
        (" ada@example.org", "ada@example.org"),
    ],
)
def test_texts_that_differ_in_any_byte_are_different(context: None, one: str, other: str) -> None:
    add_user(one)
    add_user(other)
    assert db.session.scalars(select(User.email).where(User.email == one)).all() == [one]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_trailing_space_makes_texts_different(context: None) -> None:
    add_user("ada@example.org")
    add_user("ada@example.org ")  # MariaDB's utf8mb4_bin pads, so nothing unique may end in a space: see the next test


@pytest.mark.parametrize("email", ["ada@example.org ", "ada@example.org\n", "ada@example.org\u00a0"])
def test_an_email_with_a_trailing_space_is_refused(anonymous: Client, email: str) -> None:
    answer = anonymous.post("/auth/signup", json={"email": email, "password": PASSWORD, "name": "Ada"})
    assert answer.status_code == 422


@every_database
def test_the_same_text_twice_is_a_conflict(context: None) -> None:
    add_user("ada@example.org")
    db.session.add(User(email="ada@example.org", name="Ada", password_hash=""))
    with pytest.raises(Conflict):
        flush(or_else=Conflict("taken"))


# --- Rows -------------------------------------------------------------------------------------------------------------


@every_database
def test_the_id_of_a_deleted_row_is_never_reused(context: None) -> None:
    owner = add_user()
    last = add_book(owner).id
    db.session.execute(delete(Book))
    commit()
    assert add_book(owner).id > last


@every_database
def test_a_row_without_an_existing_owner_is_refused(context: None) -> None:
    db.session.add(Book(owner_id=2**40, title="Emma", author="Jane Austen", isbn=ISBN))
    with pytest.raises(IntegrityError):
        db.session.flush()


@every_database
def test_deleting_a_user_deletes_everything_the_user_owns(context: None) -> None:
    user = add_user()
    add_book(user)
    job = Job(owner_id=user.id, kind="books.import")
    db.session.add_all([job, Session(id="s", user_id=user.id, refresh_id="r", expires_at=user.created_at)])
    db.session.flush()
    db.session.add(JobInput(job_id=job.id, part=0, data=b"title"))
    commit()
    assert affected_rows(delete(User).where(User.id == user.id)) == 1
    commit()
    assert [db.session.scalars(select(model)).first() for model in (Book, Job, JobInput, Session)] == [None] * 4


@every_database
def test_a_job_input_stores_half_a_mebibyte_of_any_bytes(context: None) -> None:
    job = Job(owner_id=add_user().id, kind="books.import")
    db.session.add(job)
    db.session.flush()
    data = bytes(range(256)) * 2048
    db.session.add(JobInput(job_id=job.id, part=0, data=data))
    commit()
    assert db.session.scalar(select(JobInput.data)) == data


# --- Transactions -----------------------------------------------------------------------------------------------------


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
    with app.app_context():  # as each request has one, and with it a session
        job = db.session.scalars(select(Job).with_for_update()).one()
        job.done += 1
        db.session.commit()
"""


def test_on_sqlite_concurrent_read_modify_write_loses_no_update(app: Flask) -> None:
    with app.app_context():
        db.session.add(Job(owner_id=add_user().id, kind="count"))
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
            [sys.executable, "-c", COUNT_UP, "50"],
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
        assert db.session.scalar(select(Job.done)) == 200


@every_database
def test_readers_do_not_wait_for_a_writer(app: Flask) -> None:
    with app.app_context():
        book_id = add_book(add_user(), year=1815).id
        book = db.session.get_one(Book, book_id)
        book.year = 1816
        db.session.flush()
        with app.app_context(), app.test_request_context(method="GET"):  # a session of its own
            assert db.session.scalar(select(Book.year).where(Book.id == book_id)) == 1815
            db.session.rollback()
        commit()
        assert db.session.scalar(select(Book.year)) == 1816


def test_on_sqlite_a_second_writer_waits_and_then_fails(app: Flask) -> None:
    with app.app_context():
        add_user()
        db.session.scalar(select(User.id))  # takes the write lock, as it may go on to write
        with app.app_context(), db.engine.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]
            with pytest.raises(OperationalError, match="database is locked"):
                connection.execute(select(User.id))
            connection.invalidate()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_on_sqlite_a_read_takes_no_write_lock(app: Flask, method: str) -> None:
    begun: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        begun.append(statement)

    with app.test_request_context(method=method):
        event.listen(db.engine, "before_cursor_execute", listen)
        try:
            db.session.execute(select(User.id))
        finally:
            event.remove(db.engine, "before_cursor_execute", listen)
    assert begun[0] == "BEGIN"


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_servers_run_at_read_committed(app: Flask) -> None:
    with app.app_context():
        add_book(add_user(), year=1815)
        assert db.session.scalar(select(Book.year)) == 1815
        with app.app_context():
            db.session.execute(update(Book).values(year=1816))
            db.session.commit()
        assert db.session.scalar(select(Book.year)) == 1816  # by MariaDB's own default it would still be 1815
        db.session.rollback()


def test_sqlite_uses_wal_and_full_synchronisation(context: None) -> None:
    pragmas = {name: db.session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


@every_database
def test_database_errors_contain_no_values(context: None) -> None:
    add_user("ada@example.org")
    db.session.add(User(email="ada@example.org", name="hunter2", password_hash="hunter2"))
    with pytest.raises(IntegrityError) as violated:
        db.session.flush()
    assert "hunter2" not in str(violated.value)


# --- The unit of work -------------------------------------------------------------------------------------------------


def test_an_effect_runs_after_the_commit(context: None, app: Flask) -> None:
    seen: list[str | None] = []

    def look() -> None:
        with app.app_context(), app.test_request_context(method="GET"):  # a session of its own
            seen.append(db.session.scalar(select(User.email)))
            db.session.rollback()

    db.session.add(User(email="ada@example.org", name="Ada", password_hash=""))
    after_commit(look)
    db.session.flush()
    assert seen == []
    commit()
    assert seen == ["ada@example.org"]


def test_effects_run_in_order_and_once(context: None) -> None:
    ran: list[int] = []
    for number in (1, 2, 3):
        after_commit(lambda number=number: ran.append(cast(int, number)))  # type: ignore[misc]
    commit()
    commit()
    assert ran == [1, 2, 3]


def test_a_rollback_drops_effects(context: None) -> None:
    ran: list[str] = []
    after_commit(lambda: ran.append("too late"))
    rollback()
    commit()
    assert ran == []


def test_a_constraint_violation_drops_effects(context: None) -> None:
    ran: list[str] = []
    add_user("ada@example.org")
    after_commit(lambda: ran.append("too late"))
    db.session.add(User(email="ada@example.org", name="Ada", password_hash=""))
    with pytest.raises(Conflict, match="taken"):
        flush(or_else=Conflict("taken"))
    commit()
    assert ran == []


def test_the_end_of_the_context_drops_effects(app: Flask) -> None:
    ran: list[str] = []
    with app.app_context():
        after_commit(lambda: ran.append("too late"))
    with app.app_context():
        commit()
    assert ran == []


def test_a_failed_commit_runs_no_effects(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    after_commit(lambda: ran.append("too early"))

    def fail() -> None:
        raise OperationalError("COMMIT", {}, Exception("the server is gone"))

    monkeypatch.setattr(db.session, "commit", fail)
    with pytest.raises(OperationalError):
        commit()
    assert ran == []


@every_database
def test_affected_rows_counts_matched_rows(context: None) -> None:
    add_user("ada@example.org")
    add_user("bob@example.org")
    assert affected_rows(update(User).values(name="Ada")) == 2
    assert affected_rows(delete(User).where(User.email == "nobody@example.org")) == 0
