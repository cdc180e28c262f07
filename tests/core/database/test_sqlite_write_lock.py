"""On SQLite, a unit of work that writes takes the write lock at its start. One that reads does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, select
from sqlalchemy.exc import OperationalError

from app.core.database import db, is_transient, rollback
from app.core.database.engine import expect_reads
from app.users.models import User

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@contextmanager
def transactions() -> Iterator[list[str]]:
    """The statements that begin a transaction."""
    begun: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        yield begun
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)


def add_user(email: str) -> None:
    values = {"email": email, "name": "", "password_hash": "", "role": "", "email_verified": False, "active": True}
    db.session.execute(insert(User).values(values))


def test_a_unit_of_work_takes_the_write_lock_unless_it_expects_reads(app: Flask) -> None:
    with app.app_context(), transactions() as begun:
        db.session.execute(select(User.id))
    with app.app_context(), transactions() as begun_to_read:
        expect_reads()
        db.session.execute(select(User.id))
    assert (begun, begun_to_read) == (["BEGIN IMMEDIATE"], ["BEGIN"])


def test_the_next_unit_of_work_does_not_expect_reads(app: Flask) -> None:
    with app.app_context():
        expect_reads()
    with app.app_context(), transactions() as begun:
        db.session.execute(select(User.id))
    assert begun == ["BEGIN IMMEDIATE"]


def test_a_unit_of_work_that_expects_reads_can_write(app: Flask) -> None:
    with app.app_context():
        expect_reads()
        add_user("ada@example.org")
        db.session.commit()
    with app.app_context():
        assert db.session.scalar(select(User.email)) == "ada@example.org"


def test_a_write_after_the_write_of_another_may_pass_later(app: Flask) -> None:
    """The transaction began with an older state, so SQLite refuses the write at once instead of losing an update."""
    with app.app_context():
        expect_reads()
        db.session.scalar(select(User.id))
        with app.app_context():
            add_user("ada@example.org")
            db.session.commit()
        with pytest.raises(OperationalError) as raised:
            add_user("bob@example.org")
        rollback()
    assert is_transient(raised.value)
