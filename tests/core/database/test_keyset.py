"""Keyset queries: every page is read from an index, and costs about as many rows as it has."""

import random
from collections.abc import Iterator
from datetime import timedelta
from operator import itemgetter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, SQLColumnExpression, and_, insert, or_, select, text
from sqlalchemy.dialects import mysql

from app.core.database import db, rows_after, utcnow
from app.users.models import User
from tests.conftest import every_database
from tests.support.notes.models import Note
from tests.support.plans import PLANS, recorded

ROWS, PAGE = 2_000, 20
# PostgreSQL may read the primary key instead, if it expects to find the user's notes next to each other.
INDEXES = {index.name for index in Note.metadata.tables["notes"].indexes} | {"pk_notes"}


def new_notes(owner_id: int) -> list[dict[str, Any]]:
    """Notes in a random order. Every two have the same title."""
    now = utcnow()
    return [
        {
            "owner_id": owner_id,
            "title": f"Note {number // 2:05}",
            "text": "",
            "code": str(number),
            "version": 1,
            "created_at": now + timedelta(microseconds=number),
            "updated_at": now,
        }
        for number in random.Random(owner_id).sample(range(ROWS), ROWS)
    ]


@pytest.fixture
def owner_id(app: Flask) -> Iterator[int]:
    """A user with a third of all notes."""
    with app.app_context():
        users = [User(email=f"{name}@example.org", name=name, password_hash="-") for name in ("ada", "bob", "eve")]
        db.session.add_all(users)
        db.session.flush()
        for user in users:
            db.session.execute(insert(Note), new_notes(user.id))
        db.session.commit()
        analyze = {"postgresql": "ANALYZE notes", "mysql": "ANALYZE TABLE notes", "sqlite": "ANALYZE"}
        db.session.execute(text(analyze[db.engine.dialect.name]))
        db.session.commit()
        yield users[0].id


def check_pages(owner_id: int, order: SQLColumnExpression[Any], *, descending: bool) -> None:
    """Read pages near the start, the middle and the end of an order, and check their rows and their query plans."""
    owned = select(Note).where(Note.owner_id == owner_id)
    places = [tuple(row) for row in db.session.execute(owned.with_only_columns(order, Note.id))]
    places.sort(key=itemgetter(0, 1), reverse=descending)
    for start in (0, PAGE, ROWS // 2, ROWS - PAGE):
        page = rows_after(owned, order, Note.id, places[start - 1] if start else None, descending=descending)
        with recorded() as statements:
            found = db.session.scalars(page.limit(PAGE)).all()
        ((statement, values),) = statements
        plan = PLANS[db.engine.dialect.name](db.session.connection(), statement, values)
        assert [note.id for note in found] == [place[1] for place in places[start : start + PAGE]], (order, start)
        assert not plan.sorts, (order, start)
        assert plan.indexes <= INDEXES, (order, start)
        assert plan.rows < 5 * PAGE, (order, start)


@every_database
def test_every_page_is_read_from_an_index(owner_id: int) -> None:
    for order in (Note.id, Note.title, Note.created_at):
        for descending in (False, True):
            check_pages(owner_id, order, descending=descending)


def forced_index(*conditions: ColumnElement[bool]) -> str | None:
    """The index that a list on MySQL or MariaDB names, in the order of the titles."""
    page = rows_after(select(Note).where(*conditions), Note.title, Note.id, None, descending=False)
    _, _, hint = str(page.compile(dialect=mysql.dialect())).partition("FORCE INDEX (")
    return hint.partition(")")[0] or None


OWNED = Note.owner_id == 1
INDEX = "ix_notes_owner_id_title_id"


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
@pytest.mark.parametrize(
    ("condition", "index"),
    [
        (OWNED, INDEX),
        (and_(OWNED, Note.tag.is_(None)), INDEX),
        (Note.tag == "a", None),
        (or_(OWNED, Note.tag == "a"), None),
        (Note.owner_id == Note.number, None),
    ],
    ids=[
        "the owner",
        "the owner and another condition",
        "another column",
        "the owner or a tag",
        "another column's value",
    ],
)
def test_an_index_is_forced_if_all_rows_share_its_first_columns(
    app: Flask, condition: ColumnElement[bool], index: str | None
) -> None:
    with app.app_context():
        assert forced_index(condition) == index


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_an_index_that_the_next_release_drops_is_not_forced(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    (index,) = (each for each in Note.metadata.tables["notes"].indexes if each.name == INDEX)
    with app.app_context():
        monkeypatch.setitem(index.info, "forced", False)
        assert forced_index(OWNED) is None
