"""The list of books: pages, orders and filters."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.books.models import Book
from app.core.database import db
from tests.books.factories import book, isbn
from tests.conftest import every_database
from tests.support.clients import Client, problem

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
SORTS = [sign + order for order in ("id", "title", "year", "created_at") for sign in ("", "-")]

Shelve = Callable[..., list[int]]


@pytest.fixture
def shelve(app: Flask, ada: Client) -> Shelve:
    """Put books on Ada's shelf without asking the API, and return their ids."""
    owner_id = ada.get("/users/me").json["id"]

    def shelve(*books: dict[str, Any]) -> list[int]:
        with app.app_context():
            rows = [Book(owner_id=owner_id, **book(isbn=isbn(number)) | fields) for number, fields in enumerate(books)]
            db.session.add_all(rows)
            db.session.commit()
            return [row.id for row in rows]

    return shelve


def pages(client: Client, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """Follow `next_cursor` to the end."""
    while True:
        page = client.get("/books", query_string=query)
        assert page.status_code == 200, page.text
        yield page.json["items"]
        if page.json["next_cursor"] is None:
            return
        query["cursor"] = page.json["next_cursor"]


def titles(client: Client, **query: Any) -> list[str]:
    return [item["title"] for page in pages(client, **query) for item in page]


def test_a_new_user_has_no_books(ada: Client) -> None:
    response = ada.get("/books")
    assert (response.status_code, response.json) == (200, {"items": [], "next_cursor": None})
    assert "Link" not in response.headers


@every_database
def test_other_users_books_are_not_listed(ada: Client, bob: Client) -> None:
    mine = ada.post("/books", json=book()).json
    bob.post("/books", json=book(title="Bob's"))
    assert ada.get("/books").json["items"] == [mine]


@every_database
@pytest.mark.parametrize("sort", SORTS)
def test_pages_contain_every_book_in_order(ada: Client, shelve: Shelve, sort: str) -> None:
    shelve(
        *(
            {"title": title, "year": year, "created_at": MOMENT + timedelta(microseconds=microseconds)}
            for title, year, microseconds in [
                ("b", None, 3),
                ("a", 1815, 3),
                ("c", -800, 2),
                ("b", None, 2),
                ("a", 1815, 1),
                ("b", 2001, 3),
                ("b", None, 3),
            ]
        )
    )
    (everything,) = pages(ada, sort=sort, limit=100)
    order = sort.lstrip("-")

    def place(item: dict[str, Any]) -> Any:
        value = item[order]
        return (value is not None, value or 0, item["id"]) if order == "year" else (value, item["id"])

    assert len(everything) == 7
    assert everything == sorted(everything, key=place, reverse=sort.startswith("-"))
    for limit in (1, 2, 3):
        assert [item for page in pages(ada, sort=sort, limit=limit) for item in page] == everything


@every_database
@pytest.mark.parametrize("sort", SORTS)
def test_inserted_and_deleted_rows_do_not_shift_pages(ada: Client, shelve: Shelve, sort: str) -> None:
    everything = shelve(*({"title": f"{number:02}", "year": number, "created_at": MOMENT} for number in range(10)))
    if sort.startswith("-"):
        everything.reverse()
    seen = []
    for number, page in enumerate(pages(ada, sort=sort, limit=3)):
        seen += [item["id"] for item in page if item["author"] != "Newcomer"]
        if number == 0:
            assert ada.delete(f"/books/{everything[0]}").status_code == 204  # has been on a page
            assert ada.delete(f"/books/{everything[2]}").status_code == 204  # the one that the cursor names
            assert ada.delete(f"/books/{everything[5]}").status_code == 204  # is yet to come
        newcomer = book(isbn=isbn(100 + number), title="00", year=0, author="Newcomer")
        assert ada.post("/books", json=newcomer).status_code == 201
    assert seen == everything[:5] + everything[6:]


@every_database
def test_the_default_order_is_by_id(ada: Client, shelve: Shelve) -> None:
    shelve({"title": "b"}, {"title": "a"}, {"title": "c"})
    assert titles(ada) == ["b", "a", "c"]


@every_database
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jane aus", ["Jane Austen"]),
        ("JANE", ["Jane Austen"]),
        ("brontë", ["Charlotte Brontë", "EMILY BRONTË"]),
        ("BRONTË", ["Charlotte Brontë", "EMILY BRONTË"]),
        ("толстой", ["Лев ТОЛСТОЙ"]),
        ("Лев т", ["Лев ТОЛСТОЙ"]),
        ("%", ["100% Author"]),
        ("_", ["snake_case"]),
        ("/", ["either/or"]),
        ("\\", ["back\\slash"]),
        ("'", ["O'Brien"]),
        ("nobody", []),
    ],
)
def test_text_filters_ignore_case_and_match_literally(ada: Client, shelve: Shelve, text: str, found: list[str]) -> None:
    authors = ["Jane Austen", "Charlotte Brontë", "EMILY BRONTË", "Лев ТОЛСТОЙ", "100% Author", "snake_case"]
    authors += ["either/or", "back\\slash", "O'Brien"]
    shelve(*({"title": "Title", "author": author} for author in authors))
    for parameter in ("q", "author"):
        (items,) = pages(ada, **{parameter: text})
        assert [item["author"] for item in items] == found


@every_database
def test_q_searches_titles_and_authors_and_author_only_authors(ada: Client, shelve: Shelve) -> None:
    shelve(
        {"title": "Emma", "author": "Jane Austen"},
        {"title": "Jane Eyre", "author": "Charlotte Brontë"},
        {"title": "Kim", "author": "Rudyard Kipling"},
    )
    assert titles(ada, q="jane") == ["Emma", "Jane Eyre"]
    assert titles(ada, author="jane") == ["Emma"]


@every_database
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"year_min": 1815}, ["1815", "1816"]),
        ({"year_max": 1815}, ["-800", "1814", "1815"]),
        ({"year_min": 1814, "year_max": 1815}, ["1814", "1815"]),
        ({"year_min": -800, "year_max": -1}, ["-800"]),
        ({"year_max": 0}, ["-800"]),
        ({"year_min": 1816, "year_max": 1815}, []),
        ({"language": "en-US"}, ["1814"]),
        ({"language": "en"}, []),
        ({"language": "eng", "year_min": 1815}, ["1815", "1816"]),
        ({"language": "eng", "q": "18", "author": "austen", "year_max": 1815}, ["1815"]),
    ],
)
def test_a_book_must_match_every_filter(ada: Client, shelve: Shelve, query: dict[str, Any], found: list[str]) -> None:
    shelve(
        {"title": "none", "year": None, "language": None},
        {"title": "-800", "year": -800, "language": "grc"},
        {"title": "1814", "year": 1814, "language": "en-US"},
        {"title": "1815", "year": 1815},
        {"title": "1816", "year": 1816, "author": "Anonymous"},
    )
    assert titles(ada, **query) == found


def test_the_link_header_repeats_the_query_with_the_next_cursor(ada: Client, shelve: Shelve) -> None:
    shelve({"title": "A & B"}, {"title": "x"}, {"title": "A & B"}, {"title": "A & B"})
    first = ada.get("/books", query_string={"q": "a & b", "sort": "-id", "limit": 2})
    assert list(first.headers.getlist("Link")) == [first.headers["Link"]]
    target, _, relation = first.headers["Link"].partition("; ")
    assert relation == 'rel="next"'
    second = ada.get("~" + target.strip("<>"))
    assert [len(page.json["items"]) for page in (first, second)] == [2, 1]
    assert second.json["items"][0]["id"] < first.json["items"][1]["id"]
    assert second.json["next_cursor"] is None
    assert "Link" not in second.headers


def test_a_full_last_page_has_no_next_page(ada: Client, shelve: Shelve) -> None:
    shelve({}, {}, {}, {})
    assert [len(page) for page in pages(ada, limit=2)] == [2, 2]


def test_a_page_has_20_items_by_default_and_at_most_100(ada: Client, shelve: Shelve) -> None:
    shelve(*({} for _ in range(101)))
    assert len(ada.get("/books").json["items"]) == 20
    assert len(ada.get("/books?limit=1").json["items"]) == 1
    assert len(ada.get("/books?limit=100").json["items"]) == 100


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "101"),
        ("limit", "1.5"),
        ("limit", "x"),
        ("limit", ""),
        ("limit", "٣"),
        ("limit", "9" * 5000),
        ("sort", "isbn"),
        ("sort", "--id"),
        ("sort", ""),
        ("year_min", "-3001"),
        ("year_max", "2101"),
        ("year_min", "x"),
        ("q", "x" * 201),
        ("q", "NUL \0"),
        ("cursor", "x"),
        ("cursor", "x.y"),
        ("offset", "20"),
    ],
)
def test_an_invalid_parameter_is_named(ada: Client, parameter: str, value: str) -> None:
    status, body = problem(ada.get("/books", query_string={parameter: value}))
    assert status == 422
    assert list(body["errors"]) == [parameter]


def test_a_repeated_parameter_is_refused(ada: Client) -> None:
    status, body = problem(ada.get("/books?limit=1&limit=2"))
    assert status == 422
    assert list(body["errors"]) == ["limit"]


@pytest.mark.parametrize("other", [sort for sort in SORTS if sort != "title"])
def test_a_cursor_of_another_order_is_refused(ada: Client, shelve: Shelve, other: str) -> None:
    shelve({}, {})
    cursor = ada.get("/books?limit=1&sort=title").json["next_cursor"]
    status, body = problem(ada.get("/books", query_string={"limit": 1, "sort": other, "cursor": cursor}))
    assert status == 422
    assert list(body["errors"]) == ["cursor"]


def test_a_forged_cursor_is_refused(ada: Client, shelve: Shelve) -> None:
    shelve({}, {})
    cursor = ada.get("/books?limit=1").json["next_cursor"]
    body, _, signature = cursor.partition(".")
    for forged in (cursor[:-1], f"{body}x.{signature}", f"x{cursor}", body):
        assert problem(ada.get("/books", query_string={"cursor": forged}))[0] == 422
