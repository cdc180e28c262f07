"""Books as CSV: `GET /books/export`."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.books.models import Book
from app.core.database import db
from tests.books.factories import book, isbn
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.factories import sign_up

COLUMNS = ["title", "author", "isbn", "year", "language"]


def exported(client: Client) -> list[list[str]]:
    response = client.get("/books/export")
    assert response.status_code == 200
    return list(csv.reader(io.StringIO(response.text, newline=""), strict=True))


def shelf(client: Client) -> list[dict[str, Any]]:
    items = client.get("/books?limit=100").json["items"]
    return [{name: item[name] for name in COLUMNS} for item in items]


def test_an_export_without_books_is_a_header(ada: Client) -> None:
    response = ada.get("/books/export")
    assert response.text == "title,author,isbn,year,language\r\n"
    assert response.content_type == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="books.csv"'
    assert response.headers["X-Request-ID"]


@every_database
def test_an_export_contains_the_users_own_books_oldest_first(ada: Client, bob: Client) -> None:
    bob.post("/books", json=book(title="Bob's"))
    for number, title in enumerate(["b", "a"]):
        ada.post("/books", json=book(title=title, isbn=isbn(number)))
    assert [row[0] for row in exported(ada)] == ["title", "b", "a"]


def test_a_missing_value_is_exported_as_an_empty_cell(ada: Client) -> None:
    ada.post("/books", json={"title": "Emma", "author": "Jane Austen", "isbn": isbn(1)})
    assert exported(ada)[1:] == [["Emma", "Jane Austen", isbn(1), "", ""]]


@every_database
def test_an_export_can_be_imported_unchanged(app: Flask, ada: Client, run_jobs: Callable[[], None]) -> None:
    titles = ['"quoted"', "a,b;c", "two\nlines", "two\r\nlines", "old\rMac", "=1+1", "📚 é", "\\", "'", '"', "\ufeffx"]
    for number, title in enumerate(titles):
        fields = {"title": title, "author": title, "isbn": isbn(number)}
        added = book(**fields) if number % 2 else fields
        assert ada.post("/books", json=added).status_code == 201
    file = ada.get("/books/export").data
    eve = sign_up(app, "eve@example.org")
    for client, outcome in ((eve, "created"), (ada, "unchanged")):
        location = client.import_csv(file).headers["Location"]
        run_jobs()
        assert client.open("GET", f"~{location}").json["result"][outcome] == len(titles)
    assert shelf(eve) == shelf(ada)
    assert [item["title"] for item in shelf(ada)] == titles


@every_database
@pytest.mark.parametrize("size", [1000, 2001])
def test_an_export_of_several_batches_is_complete(app: Flask, ada: Client, size: int) -> None:
    owner_id = ada.get("/users/me").json["id"]
    with app.app_context():
        db.session.add_all(Book(owner_id=owner_id, **book(isbn=isbn(number))) for number in range(size))
        db.session.commit()
    assert [row[2] for row in exported(ada)[1:]] == [isbn(number) for number in range(size)]


def test_an_export_is_streamed(ada: Client) -> None:
    response = ada.get("/books/export", buffered=False)
    assert response.is_streamed
    assert response.content_length is None
    response.close()
