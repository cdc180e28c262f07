"""`/books`: create, read, update and delete."""

from typing import Any

import pytest

from tests.books.factories import book, isbn
from tests.conftest import every_database
from tests.support.clients import Client, problem

ABSENT = 2**53


def add(client: Client, **fields: Any) -> str:
    """Add a book, and return its path."""
    response = client.post("/books", json=book(**fields))
    assert response.status_code == 201, response.text
    return f"/books/{response.json['id']}"


@every_database
def test_a_created_book_can_be_read(ada: Client) -> None:
    created = ada.post("/books", json=book(isbn="0-14-143958-0"))
    assert created.status_code == 201
    assert created.json["isbn"] == "9780141439587"
    read = ada.open("GET", "~" + created.headers["Location"])
    assert read.json == created.json
    assert read.headers["ETag"] == created.headers["ETag"]


@every_database
def test_a_book_has_the_fields_that_were_sent_and_its_timestamps(ada: Client) -> None:
    sent = book(title="Die Vermessung der Welt 🌍", author="Kehlmann, Daniel", year=2005, language="de-DE")
    created = ada.post("/books", json=sent).json
    assert created.pop("id") > 0
    assert created.pop("created_at").endswith("Z")
    assert created.pop("updated_at").endswith("Z")
    assert created == sent


@every_database
def test_year_and_language_are_optional(ada: Client) -> None:
    created = ada.post("/books", json={"title": "Emma", "author": "Jane Austen", "isbn": isbn(1)}).json
    assert (created["year"], created["language"]) == (None, None)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("9780141439587", "9780141439587"),
        ("978-0-14-143958-7", "9780141439587"),
        (" 978 0 14 143958 7 ", "9780141439587"),
        ("0141439580", "9780141439587"),
        ("0-8044-2957-X", "9780804429573"),
        ("0-8044-2957-x", "9780804429573"),
        ("979-10-90636-07-1", "9791090636071"),
    ],
)
def test_an_isbn_is_stored_as_isbn_13(ada: Client, given: str, stored: str) -> None:
    assert ada.post("/books", json=book(isbn=given)).json["isbn"] == stored


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", " "),
        ("title", "x" * 501),
        ("title", "with NUL \0"),
        ("title", None),
        ("author", ""),
        ("author", "x" * 1001),
        ("isbn", "9780141439588"),
        ("isbn", "0141439581"),
        ("isbn", "4006381333931"),  # an EAN of another product
        ("isbn", "x"),
        ("isbn", 9780141439587),
        ("year", -3001),
        ("year", 2101),
        ("year", 1815.5),
        ("year", "1815"),
        ("year", True),
        ("year", 2**64 - 1),
        ("language", ""),
        ("language", "not a language"),
        ("publisher", "John Murray"),
    ],
)
def test_an_invalid_field_is_named(ada: Client, field: str, value: Any) -> None:
    path = add(ada, isbn=isbn(1))
    for response in (ada.post("/books", json=book(**{field: value})), ada.patch(path, json={field: value})):
        status, body = problem(response)
        assert status == 422
        assert list(body["errors"]) == [field]


@every_database
@pytest.mark.parametrize(
    "fields",
    [{"title": "x"}, {"title": "📚" * 500}, {"author": "é" * 1000}, {"year": -3000}, {"year": 0}, {"year": 2100}],
)
def test_the_bounds_are_inclusive(ada: Client, fields: dict[str, Any]) -> None:
    assert ada.get(add(ada, **fields)).json.items() >= fields.items()


@every_database
def test_a_partial_update_leaves_the_other_fields_alone(ada: Client) -> None:
    path = add(ada)
    before = ada.get(path).json
    changed = ada.patch(path, json={"title": "Persuasion"})
    assert changed.status_code == 200
    assert changed.json["updated_at"] > before["updated_at"]
    assert changed.json == before | {"title": "Persuasion", "updated_at": changed.json["updated_at"]}
    assert ada.get(path).json == changed.json


@every_database
def test_all_fields_can_be_updated_together(ada: Client) -> None:
    path = add(ada)
    fields = {"title": "T", "author": "A", "isbn": isbn(1), "year": 1, "language": "fr"}
    assert ada.patch(path, json=fields).json.items() >= fields.items()


@every_database
def test_year_and_language_can_be_cleared(ada: Client) -> None:
    path = add(ada, year=1815, language="eng")
    changed = ada.patch(path, json={"year": None, "language": None}).json
    assert (changed["year"], changed["language"]) == (None, None)


def test_an_update_without_changes_keeps_the_etag(ada: Client) -> None:
    path = add(ada)
    before = ada.get(path)
    for changes in ({}, {"title": before.json["title"]}):
        response = ada.patch(path, json=changes)
        assert (response.status_code, response.json) == (200, before.json)
        assert response.headers["ETag"] == before.headers["ETag"]


@every_database
def test_a_deleted_book_is_gone_and_its_isbn_can_be_reused(ada: Client) -> None:
    path = add(ada)
    response = ada.delete(path)
    assert (response.status_code, response.data) == (204, b"")
    assert ada.get(path).status_code == ada.delete(path).status_code == 404
    assert add(ada) != path


@pytest.mark.parametrize("book_id", ["0", "01", "-1", "x", "1.5", "9" * 18, "9" * 19, "٣"])
def test_an_unknown_id_gets_404(ada: Client, book_id: str) -> None:
    assert problem(ada.get(f"/books/{book_id}"))[0] == 404


@every_database
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_book_gets_the_404_of_an_unknown_id(ada: Client, bob: Client, method: str) -> None:
    path = add(ada)
    body = {"json": {"title": "Mine"}} if method == "PATCH" else {}
    theirs = problem(bob.open(method, path, **body))
    assert theirs == problem(bob.open(method, f"/books/{ABSENT}", **body))
    assert theirs[0] == 404
    assert ada.get(path).json["title"] == "Emma"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/books"),
        ("POST", "/books"),
        ("GET", "/books/1"),
        ("PATCH", "/books/1"),
        ("DELETE", "/books/1"),
        ("GET", "/books/export"),
        ("POST", "/books/imports"),
    ],
)
def test_books_require_a_token(anonymous: Client, method: str, path: str) -> None:
    assert problem(anonymous.open(method, path))[0] == 401


@every_database
def test_an_unchanged_book_gets_304(ada: Client) -> None:
    path = add(ada)
    etag = ada.get(path).headers["ETag"]
    for tags in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = ada.get(path, headers={"If-None-Match": tags})
        assert (response.status_code, response.data) == (304, b"")
        assert response.headers["ETag"] == etag


@every_database
def test_an_update_with_a_stale_if_match_gets_412(ada: Client) -> None:
    path = add(ada)
    seen = ada.get(path).headers["ETag"]
    assert ada.patch(path, json={"title": "First"}, headers={"If-Match": seen}).status_code == 200
    assert problem(ada.patch(path, json={"title": "Second"}, headers={"If-Match": seen}))[0] == 412
    assert ada.get(path).json["title"] == "First"
