"""Books as CSV: `GET /books/export`."""

import csv
import io
from collections.abc import Callable

import pytest
from flask import Flask

from tests.books.factories import book, create_books, import_csv, isbn, list_books
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.factories import sign_up

COLUMNS = ["title", "author", "isbn", "year", "language"]


def export(client: Client) -> list[list[str]]:
    response = client.get("/books/export")
    assert response.status_code == 200
    return list(csv.reader(io.StringIO(response.text, newline=""), strict=True))


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
    assert [row[0] for row in export(ada)] == ["title", "b", "a"]


def test_a_missing_value_is_exported_as_an_empty_cell(ada: Client) -> None:
    ada.post("/books", json={"title": "Emma", "author": "Jane Austen", "isbn": isbn(1)})
    assert export(ada)[1:] == [["Emma", "Jane Austen", isbn(1), "", ""]]


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
        location = import_csv(client, file).headers["Location"]
        run_jobs()
        assert client.open("GET", f"~{location}").json["result"][outcome] == len(titles)
    assert list_books(eve) == list_books(ada)
    assert [item["title"] for item in list_books(ada)] == titles


@every_database
@pytest.mark.parametrize("size", [1000, 2001])
def test_an_export_of_several_batches_is_complete(ada: Client, size: int) -> None:
    create_books(ada, ({} for _ in range(size)))
    assert [row[2] for row in export(ada)[1:]] == [isbn(number) for number in range(size)]


def test_an_export_is_streamed(ada: Client) -> None:
    response = ada.get("/books/export", buffered=False)
    assert response.is_streamed
    assert response.content_length is None
    response.close()
