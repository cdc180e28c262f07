"""The query plans of lists: every page of every sort is read from an index, and costs about as many rows as it has."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, select, text

from app.books import service
from app.books.models import Book
from app.core.database import db, utcnow
from app.core.http import pagination
from app.users.models import User
from tests.conftest import every_database
from tests.support.plans import PLANS, Plan, recorded

ROWS, PAGE = 8_000, 20
# PostgreSQL may read the primary key instead, if it expects to find the user's books next to each other.
INDEXES = {index.name for index in Book.metadata.tables["books"].indexes} | {"pk_books"}


def add_books(owner_id: int, count: int) -> None:
    """Add books in a random order. Many have the same year."""
    chance = random.Random(count)
    # SQLite reads an index from the first row with the same year, so give it fewer of them.
    years = range(1600, 2000) if db.engine.dialect.name == "sqlite" else range(1996, 2000)
    now = utcnow()
    books = [
        {
            "owner_id": owner_id,
            "title": f"Emma {number // 2}",
            "author": "Jane Austen",
            "isbn": f"{number:013}",
            "year": chance.choice(years) if number % 100 else None,
            "version": 1,
            "created_at": now + timedelta(microseconds=number),
            "updated_at": now,
        }
        for number in chance.sample(range(count), count)
    ]
    db.session.execute(insert(Book), books)


@pytest.fixture
def owner_id(app: Flask) -> Iterator[int]:
    """A user with a fifth of all books."""
    with app.app_context():
        users = [User(email=f"{name}@example.org", name=name, password_hash="no hash") for name in ("ada", "bob")]
        db.session.add_all(users)
        db.session.flush()
        for user, count in zip(users, (ROWS, 4 * ROWS), strict=True):
            add_books(user.id, count)
        db.session.commit()
        analyze = {"postgresql": "ANALYZE books", "mysql": "ANALYZE TABLE books", "sqlite": "ANALYZE"}
        db.session.execute(text(analyze[db.engine.dialect.name]))
        db.session.commit()
        yield users[0].id


def page(owner_id: int, sort: str, offset: int) -> tuple[Plan, Sequence[Book], list[int]]:
    """Fetch the page of a list at an offset. Returns the query plan, the books, and the ids of the expected books."""
    order = service.ORDERS[sort.lstrip("-")]
    columns = [column.desc() if sort.startswith("-") else column for column in (order, Book.id)]
    query = select(order, Book.id).where(Book.owner_id == owner_id).order_by(*columns)
    places = db.session.execute(query.limit(PAGE + 1).offset(max(0, offset - 1))).all()
    expected = [place[1] for place in (places[1:] if offset else places[:PAGE])]
    cursor = pagination._write(sort, tuple(places[0])) if offset else None
    with recorded() as statements:
        found = service.find(owner_id, sort=sort, limit=PAGE, cursor=cursor)
    ((statement, values),) = statements
    return PLANS[db.engine.dialect.name](db.session.connection(), statement, values), found.items, expected


@every_database
def test_every_page_of_every_sort_is_read_from_an_index(app: Flask, owner_id: int) -> None:
    with app.test_request_context("/api/v1/books"):
        for sort in (sign + order for order in service.ORDERS for sign in ("", "-")):
            for offset in (0, PAGE, ROWS // 2, ROWS - PAGE):
                plan, found, expected = page(owner_id, sort, offset)
                assert [book.id for book in found] == expected, (sort, offset)
                assert not plan.sorts, (sort, offset)
                assert plan.indexes <= INDEXES, (sort, offset)
                assert plan.rows < 5 * PAGE, (sort, offset)
