"""Keyset pagination, on the list of notes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import code, create_notes, note

TIME = datetime(2026, 1, 1, tzinfo=UTC)
SORTS = [sign + order for order in ("id", "title", "number", "created_at") for sign in ("", "-")]

Create = Callable[..., list[int]]


@pytest.fixture
def create(app: Flask, ada: Client) -> Create:
    """Create notes of Ada in the database, and return their ids."""
    owner_id = ada.get("/users/me").json["id"]

    def create(*fields: dict[str, Any]) -> list[int]:
        with app.app_context():
            return [row.id for row in create_notes(owner_id, fields)]

    return create


def pages(client: Client, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """Follow `next_cursor` to the last page."""
    while True:
        page = client.get("/notes", query_string=query)
        assert page.status_code == 200, page.text
        yield page.json["items"]
        if page.json["next_cursor"] is None:
            return
        query["cursor"] = page.json["next_cursor"]


def titles(client: Client, **query: Any) -> list[str]:
    return [item["title"] for page in pages(client, **query) for item in page]


def test_an_empty_list_has_one_empty_page(ada: Client) -> None:
    response = ada.get("/notes")
    assert (response.status_code, response.json) == (200, {"items": [], "next_cursor": None})
    assert "Link" not in response.headers


@every_database
@pytest.mark.parametrize("sort", SORTS)
def test_pages_contain_every_item_in_order(ada: Client, create: Create, sort: str) -> None:
    values = [("b", None, 3), ("a", 5, 3), ("c", -8, 2), ("b", None, 2), ("a", 5, 1), ("b", 9, 3), ("b", None, 3)]
    create(
        *(
            {"title": title, "number": number, "created_at": TIME + timedelta(microseconds=microseconds)}
            for title, number, microseconds in values
        )
    )
    (everything,) = pages(ada, sort=sort, limit=100)
    order = sort.lstrip("-")

    def key(item: dict[str, Any]) -> Any:
        value = item[order]
        return (value is not None, value or 0, item["id"]) if order == "number" else (value, item["id"])

    assert len(everything) == len(values)
    assert everything == sorted(everything, key=key, reverse=sort.startswith("-"))
    for limit in (1, 2, 3):
        assert [item for page in pages(ada, sort=sort, limit=limit) for item in page] == everything


@every_database
@pytest.mark.parametrize("sort", SORTS)
def test_inserted_and_deleted_rows_do_not_shift_pages(ada: Client, create: Create, sort: str) -> None:
    everything = create(*({"title": f"{number:02}", "number": number, "created_at": TIME} for number in range(10)))
    if sort.startswith("-"):
        everything.reverse()
    seen = []
    for number, page in enumerate(pages(ada, sort=sort, limit=3)):
        seen += [item["id"] for item in page if item["text"] != "inserted"]
        if number == 0:
            assert ada.delete(f"/notes/{everything[0]}").status_code == 204  # on an earlier page
            assert ada.delete(f"/notes/{everything[2]}").status_code == 204  # the row of the cursor
            assert ada.delete(f"/notes/{everything[5]}").status_code == 204  # on a later page
        inserted = note(code=code(100 + number), title="00", number=0, text="inserted")
        assert ada.post("/notes", json=inserted).status_code == 201
    assert seen == everything[:5] + everything[6:]


@every_database
def test_the_default_order_is_by_id(ada: Client, create: Create) -> None:
    create({"title": "b"}, {"title": "a"}, {"title": "c"})
    assert titles(ada) == ["b", "a", "c"]


def test_the_link_header_repeats_the_query_with_the_next_cursor(ada: Client, create: Create) -> None:
    create({"title": "A & B"}, {"title": "x"}, {"title": "A & B"}, {"title": "A & B"})
    first = ada.get("/notes", query_string={"q": "a & b", "sort": "-id", "limit": 2})
    assert list(first.headers.getlist("Link")) == [first.headers["Link"]]
    target, _, relation = first.headers["Link"].partition("; ")
    assert relation == 'rel="next"'
    second = ada.get("~" + target.strip("<>"))
    assert [len(page.json["items"]) for page in (first, second)] == [2, 1]
    assert second.json["items"][0]["id"] < first.json["items"][1]["id"]
    assert second.json["next_cursor"] is None
    assert "Link" not in second.headers


def test_a_full_last_page_has_no_next_page(ada: Client, create: Create) -> None:
    create({}, {}, {}, {})
    assert [len(page) for page in pages(ada, limit=2)] == [2, 2]


def test_a_page_has_20_items_by_default_and_at_most_100(ada: Client, create: Create) -> None:
    create(*({} for _ in range(101)))
    assert len(ada.get("/notes").json["items"]) == 20
    assert len(ada.get("/notes?limit=1").json["items"]) == 1
    assert len(ada.get("/notes?limit=100").json["items"]) == 100


@pytest.mark.parametrize("other", [sort for sort in SORTS if sort != "title"])
def test_a_cursor_of_another_order_is_refused(ada: Client, create: Create, other: str) -> None:
    create({}, {})
    cursor = ada.get("/notes?limit=1&sort=title").json["next_cursor"]
    status, body = problem(ada.get("/notes", query_string={"limit": 1, "sort": other, "cursor": cursor}))
    assert status == 422
    assert list(body["errors"]) == ["cursor"]
