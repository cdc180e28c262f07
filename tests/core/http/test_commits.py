"""The commit at the end of a request: what a GET writes is kept, and a response to a read is not lost."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from marshmallow import fields
from pydantic import SecretStr
from sqlalchemy import insert, select, text, update

from app.core.database import db
from app.core.http import Resource, marshal_with
from app.core.http.fields import Schema
from app.core.security import ANYONE
from app.core.settings import Settings
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.environment import free_port
from tests.support.sites import site

NEW = {"email": "new@example.org", "name": "New", "password_hash": "no hash", "role": "user"}
SERVERS = pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)  # SQLite has no connection


def add_entity() -> None:
    db.session.add(User(**NEW))


def insert_row() -> None:
    db.session.execute(insert(User).values(NEW))


def update_rows() -> None:
    db.session.execute(update(User).values(name="Changed"))


def execute_text() -> None:
    db.session.execute(text("UPDATE users SET name = 'Changed'"))


WRITES = [add_entity, insert_row, update_rows, execute_text]


class CountSchema(Schema):
    """The number of users."""

    users = fields.Integer(required=True)


class Count(Resource):
    """Reads, and lets a test do something else."""

    guard = ANYONE
    before: Callable[[], None] | None = None

    @marshal_with(CountSchema, code=200)
    def get(self) -> Any:
        """Count the users."""
        if before := type(self).before:
            before()
        users = db.session.scalars(select(User)).all()
        if lose := type(self).__dict__.get("lose"):
            lose()
        return {"users": len(users)}


def lose_connection() -> None:
    """End the current connection on the server."""
    number = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}[db.engine.dialect.name]
    kill = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}[db.engine.dialect.name]
    # Without SQLAlchemy's execution: a statement as text counts as a write.
    own: Any = db.session.connection().connection.driver_connection
    other: Any = db.engine.raw_connection()
    with own.cursor() as cursor, closing(other), other.cursor() as killer:
        cursor.execute(number)
        killer.execute(kill.format(*cursor.fetchone()))


class Addition(Resource):
    """Adds a user."""

    guard = ANYONE

    @marshal_with(None, code=204)
    def post(self) -> None:
        """Add a user. The INSERT is sent at the commit."""
        add_entity()


@pytest.fixture
def visitor(app: Flask) -> Iterator[Client]:
    with site(app, Count) as created:
        yield Client(created)


def users(app: Flask) -> list[str]:
    with app.app_context():
        return sorted(db.session.scalars(select(User.name)))


@every_database
@pytest.mark.parametrize("write", WRITES)
def test_what_a_get_writes_is_committed(
    app: Flask, ada: Client, visitor: Client, monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]
) -> None:
    before = users(app)
    monkeypatch.setattr(Count, "before", staticmethod(write))
    assert visitor.get("/Count").status_code == 200
    assert users(app) != before


@SERVERS
def test_a_response_to_a_read_survives_the_loss_of_the_connection(
    ada: Client, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Count, "lose", staticmethod(lose_connection), raising=False)
    for _ in range(3):
        response = visitor.get("/Count")
        assert (response.status_code, response.json) == (200, {"users": 1})


@SERVERS
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_is_lost_with_the_connection_answers_503(
    app: Flask,
    ada: Client,
    visitor: Client,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[], None],
) -> None:
    before = users(app)
    with monkeypatch.context() as patch:
        patch.setattr(Count, "before", staticmethod(write))
        patch.setattr(Count, "lose", staticmethod(lose_connection), raising=False)
        assert problem(visitor.get("/Count"))[0] == 503
    assert users(app) == before
    assert visitor.get("/Count").status_code == 200


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_write_without_a_connection_answers_503(app: Flask, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    dead = SecretStr(f"{scheme}://ada@127.0.0.1:{free_port()}/barah")
    settings: Settings = app.extensions["settings"].model_copy(update={"database_url": dead})
    monkeypatch.setitem(app.extensions, "settings", settings)
    with site(app, Addition) as created:
        assert problem(Client(created).post("/Addition"))[0] == 503


def test_a_get_that_only_reads_takes_no_write_lock_on_sqlite(app: Flask, ada: Client, visitor: Client) -> None:
    with app.app_context():
        db.session.execute(update(User).values(name="Locked"))
        assert visitor.get("/Count").status_code == 200
        db.session.rollback()
