"""The database's clock, in SQL expressions."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import cast

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, select, text, update

from app.core.database import db, db_now, rollback, utcnow
from app.users.models import User
from tests.conftest import every_database
from tests.support.environment import wait_for

MILLISECOND = timedelta(milliseconds=1)
OFFSETS = [
    timedelta(),
    timedelta(seconds=20),
    timedelta(seconds=-20),
    timedelta(milliseconds=1500),
    timedelta(days=400, microseconds=1000),
    timedelta(days=-30),
]


@pytest.fixture
def user(app: Flask) -> Iterator[int]:
    """The id of a user, in an application context."""
    with app.app_context():
        row = User(email="ada@example.org", name="Ada", password_hash="no hash")
        db.session.add(row)
        db.session.flush()
        yield row.id
        rollback()


def read(expression: ColumnElement[datetime]) -> datetime:
    return cast(datetime, db.session.scalar(select(expression)))


@every_database
def test_the_time_is_in_utc_whatever_the_time_zone_of_the_connection(user: int) -> None:
    zones = {"postgresql": "SET LOCAL TIME ZONE 'Asia/Kolkata'", "mysql": "SET time_zone = '+05:30'"}
    if zone := zones.get(db.engine.dialect.name):
        db.session.execute(text(zone))
    now = read(db_now())
    db.session.connection().invalidate()  # the pool must not keep the time zone
    assert abs(now - utcnow()) < timedelta(minutes=10)


@every_database
def test_the_time_moves_on_inside_a_transaction(user: int) -> None:
    first = read(db_now())
    wait_for("the clock moves", lambda: read(db_now()) > first)


@every_database
@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_an_offset_is_added_or_subtracted(user: int, offset: timedelta) -> None:
    assert read(db_now() + offset) >= read(db_now()) + offset - timedelta(seconds=10)
    before, shifted, after = db.session.execute(select(db_now(), db_now() + offset, db_now())).one()
    assert before + offset - MILLISECOND <= shifted <= after + offset + MILLISECOND
    assert db.session.scalar(select(db_now() - offset + offset <= db_now() + MILLISECOND))


@every_database
@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_a_stored_time_compares_with_the_time_it_was_stored_at(user: int, offset: timedelta) -> None:
    db.session.execute(update(User).values(created_at=db_now() + offset, updated_at=db_now()))
    matches = select(User.id).where(
        User.created_at <= db_now() + offset,
        User.created_at > db_now() + offset - timedelta(seconds=60),
        User.updated_at <= db_now(),
    )
    assert db.session.scalars(matches).all() == [user]
    created, updated = db.session.execute(select(User.created_at, User.updated_at)).one()
    assert -MILLISECOND <= created - updated - offset <= MILLISECOND


@every_database
def test_a_stored_time_compares_with_a_time_of_the_application(user: int) -> None:
    """SQLite compares texts, so both must be written with the same digits."""
    db.session.execute(update(User).values(created_at=db_now()))
    stored = cast(datetime, db.session.scalar(select(User.created_at)))
    for application, expected in ((stored, [user]), (stored - timedelta(microseconds=1), [])):
        assert db.session.scalars(select(User.id).where(User.created_at <= application)).all() == expected


@every_database
def test_an_object_takes_the_time_of_the_database(user: int) -> None:
    row = db.session.get_one(User, user)
    row.created_at = db_now() + timedelta(days=1)
    db.session.flush()
    assert read(db_now()) < row.created_at <= read(db_now()) + timedelta(days=1)
