"""Factories of books."""

from collections.abc import Iterable
from typing import Any

from stdnum.ean import calc_check_digit

from app.books.models import Book
from app.core.database import commit, db
from tests.support.clients import Client


def book(**fields: Any) -> dict[str, Any]:
    """The body of a valid new book."""
    return {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587", "year": 1815, "language": "eng"} | fields


def isbn(number: int) -> str:
    """A valid ISBN-13, a different one for each number."""
    digits = f"978{number:09}"
    return digits + calc_check_digit(digits)


def create_books(client: Client, books: Iterable[dict[str, Any]]) -> list[int]:
    """Commit books of a user, each with an ISBN of its own, and return their ids."""
    owner_id = client.get("/users/me").json["id"]
    with client.app.app_context():
        rows = [Book(owner_id=owner_id, **book(isbn=isbn(number)) | fields) for number, fields in enumerate(books)]
        db.session.add_all(rows)
        commit()
        return [row.id for row in rows]


def list_books(client: Client) -> list[dict[str, Any]]:
    """The user's books, with the fields of `book` only."""
    items = client.get("/books?limit=100").json["items"]
    return [{name: item[name] for name in book()} for item in items]


def import_csv(client: Client, file: str | bytes) -> Any:
    """Upload a CSV file as the body."""
    return client.post("/books/imports", data=file, content_type="text/csv")
