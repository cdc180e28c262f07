"""The shelf: `/books`."""

from tests.clients import Client, book
from tests.conftest import every_database


@every_database
def test_a_book_that_was_added_can_be_read(ada: Client) -> None:
    created = ada.post("/books", json=book(isbn="0-14-143958-0"))
    assert created.status_code == 201
    assert created.json["isbn"] == "9780141439587"
    read = ada.open("GET", "~" + created.headers["Location"])
    assert read.json == created.json
    assert read.headers["ETag"] == created.headers["ETag"]
