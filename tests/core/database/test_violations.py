"""Constraints: each violation becomes the error that it stands for, and any other is an internal error."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.auth.models import Session
from app.core.database import Base, db, flush, rollback, utcnow, violated_constraint
from app.core.errors import AppError, Conflict, NotFound
from app.jobs.models import Job
from app.users.models import User
from tests.conftest import every_database


def user(**fields: Any) -> User:
    return User(**({"email": "ada@example.org", "name": "Ada", "password_hash": "no hash"} | fields))


def add_in_order(*rows: Base) -> None:
    """Add rows of which the last violates a constraint."""
    *first, last = rows
    for row in first:
        db.session.add(row)
        db.session.flush()
    db.session.expunge_all()
    db.session.add(last)


def session(**fields: Any) -> Session:
    return Session(**({"id": "s", "user_id": 1, "refresh_id": "r", "expires_at": utcnow()} | fields))


VIOLATIONS: dict[str, Callable[[], None]] = {
    "uq_users_email": lambda: add_in_order(user(), user()),
    "pk_sessions": lambda: add_in_order(user(id=1), session(), session()),
    "fk_sessions_user_id_users": lambda: add_in_order(user(id=1), session(user_id=2)),
    "fk_jobs_owner_id_users": lambda: add_in_order(Job(owner_id=2**40, kind="k")),
}


@every_database
@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_flush_raises_the_error_of_the_violated_constraint(context: None, name: str) -> None:
    VIOLATIONS[name]()
    others = {other: Conflict(other) for other in ("uq_users_name", "ix_jobs_kind", "ck_users_role", "uq_jobs_kind")}
    with pytest.raises(NotFound, match="expected"):
        flush({**others, name: NotFound("expected")})
    assert db.session.scalar(select(User.id)) is None  # rolled back


@every_database
@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_without_an_error_of_its_own_is_raised_as_it_is(context: None, name: str) -> None:
    VIOLATIONS[name]()
    kind = name[:3]
    others: dict[str, AppError] = {other: Conflict(other) for other in VIOLATIONS if not other.startswith(kind)}
    with pytest.raises(IntegrityError):
        flush(others)


@every_database
@pytest.mark.parametrize("value", ["x", "it's for key 'uq_users_name'", "a.b' for key 'c.d"])
def test_a_duplicate_value_does_not_hide_the_name_of_the_constraint(context: None, value: str) -> None:
    add_in_order(user(email=value), user(email=value))
    with pytest.raises(Conflict, match="expected"):
        flush({"uq_users_name": NotFound("other"), "uq_users_email": Conflict("expected")})


@every_database
def test_a_missing_value_is_no_conflict(context: None) -> None:
    db.session.add(user(name=None))
    with pytest.raises(IntegrityError):
        flush({"uq_users_email": Conflict("wrong")})


@every_database
def test_a_check_is_known_by_its_name(context: None) -> None:
    db.session.execute(text("DROP TABLE IF EXISTS checked"))
    db.session.execute(text("CREATE TABLE checked (size INTEGER, CONSTRAINT ck_checked_size CHECK (size > 0))"))
    try:
        with pytest.raises(DBAPIError) as raised:
            db.session.execute(text("INSERT INTO checked VALUES (0)"))
    finally:
        rollback()
        db.session.execute(text("DROP TABLE IF EXISTS checked"))
        db.session.commit()
    assert violated_constraint(raised.value, ["ck_users_role", "ck_checked_size"]) == "ck_checked_size"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Duplicate entry 'x' for key 'users.uq_users_email'", "uq_users_email"),
        ("Duplicate entry '1' for key 'users.PRIMARY'", "pk_users"),
    ],
)
def test_the_messages_of_mysql_name_the_table(message: str, name: str) -> None:
    """MySQL 8 writes 'table.name' where MariaDB writes 'name'."""
    error = IntegrityError("INSERT", {}, Exception(1062, message))
    assert violated_constraint(error, ["uq_users_name", name]) == name
