"""A cursor is valid for its list, order and filters only."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.core.http import pagination
from tests.support.clients import Client, problem
from tests.support.factories import code, import_notes, note


@pytest.fixture
def reader(ada: Client) -> Client:
    """A user who has three notes and three jobs."""
    for number in range(3):
        assert ada.post("/notes", json=note(code=code(number), number=number)).status_code == 201
        assert import_notes(ada).status_code == 202
    return ada


def first_cursor(client: Client, path: str) -> str:
    return str(client.get(path).json["next_cursor"])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("/jobs?limit=1", "/notes?limit=1&sort=-id"),
        ("/notes?limit=1&sort=-id", "/jobs?limit=1"),
        ("/notes?limit=1", "/notes?limit=1&sort=-id"),
        ("/notes?limit=1", "/notes?limit=1&sort=title"),
        ("/notes?limit=1", "/notes?limit=1&q=Milk"),
        ("/notes?limit=1&q=Milk", "/notes?limit=1"),
        ("/notes?limit=1&q=Milk", "/notes?limit=1&q=milk"),
        ("/notes?limit=1&q=Milk", "/notes?limit=1&tag=Milk"),
        ("/notes?limit=1&number_min=0", "/notes?limit=1&number_min=1"),
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
    cursor = first_cursor(reader, "/notes?limit=1")
    page = reader.get("/notes", query_string=query | {"cursor": cursor})
    assert (page.status_code, page.json["items"][0]["code"]) == (200, code(1))


def test_the_order_of_the_filters_may_change(reader: Client) -> None:
    cursor = first_cursor(reader, "/notes?limit=1&q=Milk&number_min=0")
    assert reader.get(f"/notes?number_min=0&cursor={cursor}&q=Milk&limit=1").status_code == 200


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
