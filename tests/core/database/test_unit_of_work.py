"""The unit of work: commits, rollbacks and their effects."""

from typing import cast

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from app.core.database import affected_rows, after_commit, commit, db, flush, rollback
from app.core.database.engine import expect_reads
from app.core.errors import Conflict
from app.users.models import User
from tests.conftest import every_database
from tests.support.factories import create_user


def test_an_effect_runs_after_the_commit(context: None, app: Flask) -> None:
    seen: list[str | None] = []

    def record() -> None:
        with app.app_context():  # its own session
            expect_reads()
            seen.append(db.session.scalar(select(User.email)))
            db.session.rollback()

    db.session.add(User(email="ada@example.org", name="Ada", password_hash=""))
    after_commit(record)
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
    after_commit(lambda: ran.append("dropped"))
    rollback()
    commit()
    assert ran == []


def test_a_constraint_violation_drops_effects(context: None) -> None:
    ran: list[str] = []
    create_user("ada@example.org")
    after_commit(lambda: ran.append("dropped"))
    db.session.add(User(email="ada@example.org", name="Ada", password_hash=""))
    with pytest.raises(Conflict, match="taken"):
        flush({"uq_users_email": Conflict("taken")})
    commit()
    assert ran == []


def test_the_end_of_the_context_drops_effects(app: Flask) -> None:
    ran: list[str] = []
    with app.app_context():
        after_commit(lambda: ran.append("dropped"))
    with app.app_context():
        commit()
    assert ran == []


def test_a_failed_commit_runs_no_effects(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    after_commit(lambda: ran.append("dropped"))

    def fail() -> None:
        raise OperationalError("COMMIT", {}, Exception("the server is gone"))

    monkeypatch.setattr(db.session, "commit", fail)
    with pytest.raises(OperationalError):
        commit()
    assert ran == []


@every_database
def test_affected_rows_counts_matched_rows(context: None) -> None:
    create_user("ada@example.org")
    create_user("bob@example.org")
    assert affected_rows(update(User).values(name="Ada")) == 2
    assert affected_rows(delete(User).where(User.email == "nobody@example.org")) == 0
