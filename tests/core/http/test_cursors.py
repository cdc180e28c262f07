"""A cursor is valid for its list, order and filters only."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.core.http import pagination
from tests.support.clients import Client, book, isbn, problem

CSV = b"title,author,isbn\nEmma,Jane Austen,9780141439587\n"


@pytest.fixture
def reader(ada: Client) -> Client:
    """A user who has three books and three jobs."""
    for number in range(3):
        assert ada.post("/books", json=book(isbn=isbn(number), year=1815 + number)).status_code == 201
        assert ada.import_csv(CSV).status_code == 202
    return ada


def first_cursor(client: Client, path: str) -> str:
    return str(client.get(path).json["next_cursor"])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("/jobs?limit=1", "/books?limit=1&sort=-id"),
        ("/books?limit=1&sort=-id", "/jobs?limit=1"),
        ("/books?limit=1", "/books?limit=1&sort=-id"),
        ("/books?limit=1", "/books?limit=1&sort=title"),
        ("/books?limit=1", "/books?limit=1&q=Emma"),
        ("/books?limit=1&q=Emma", "/books?limit=1"),
        ("/books?limit=1&q=Emma", "/books?limit=1&q=emma"),
        ("/books?limit=1&q=Emma", "/books?limit=1&author=Emma"),
        ("/books?limit=1&year_min=1815", "/books?limit=1&year_min=1816"),
    ],
)
def test_a_cursor_of_another_list_order_or_filter_is_refused(reader: Client, source: str, target: str) -> None:
    cursor = first_cursor(reader, source)
    assert reader.get(f"{source}&cursor={cursor}").status_code == 200
    status, body = problem(reader.get(f"{target}&cursor={cursor}"))
    assert (status, list(body["errors"])) == (422, ["cursor"])


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 2},
        {"sort": "id"},
        {"sort": "id", "limit": 3},
    ],
    ids=str,
)
def test_the_limit_may_change_and_the_default_order_may_be_named(reader: Client, query: dict[str, Any]) -> None:
    cursor = first_cursor(reader, "/books?limit=1")
    page = reader.get("/books", query_string=query | {"cursor": cursor})
    assert (page.status_code, page.json["items"][0]["isbn"]) == (200, isbn(1))


def test_the_order_of_the_filters_may_change(reader: Client) -> None:
    cursor = first_cursor(reader, "/books?limit=1&q=Emma&year_min=1815")
    assert reader.get(f"/books?year_min=1815&cursor={cursor}&q=Emma&limit=1").status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        5,
        0.5,
        "Émile",
        datetime(2026, 11, 21, 12, 30, 0, 5, UTC),
        date(2026, 11, 21),
        time(12, 30),
        Decimal("12.3450"),
        UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_cursor_keeps_a_value_of_any_type(app: Flask, value: Any) -> None:
    with app.test_request_context("/films"):
        cursor = pagination._write("price", (value, 7))
        assert pagination._read(cursor, "price") == (value, 7)
