"""A user has each ISBN once."""

from typing import Any

from flask import Flask

from tests.books.factories import book, isbn
from tests.conftest import every_database
from tests.support.clients import Client, at_once, problem


def add(client: Client, **fields: Any) -> str:
    """Add a book, and return its path."""
    response = client.post("/books", json=book(**fields))
    assert response.status_code == 201, response.text
    return f"/books/{response.json['id']}"


@every_database
def test_a_duplicate_isbn_gets_409(ada: Client) -> None:
    add(ada, isbn="978-0-14-143958-7")
    assert problem(ada.post("/books", json=book(isbn="0141439580", title="Another")))[0] == 409
    assert [item["title"] for item in ada.get("/books").json["items"]] == ["Emma"]


@every_database
def test_one_of_two_concurrent_creations_with_one_isbn_gets_409(app: Flask, ada: Client) -> None:
    responses = at_once(lambda: Client(app, ada.token).post("/books", json=book()))
    assert sorted(response.status_code for response in responses) == [201, 409]


@every_database
def test_two_users_can_have_the_same_isbn(ada: Client, bob: Client) -> None:
    add(ada)
    add(bob)


@every_database
def test_an_update_to_a_duplicate_isbn_gets_409(ada: Client) -> None:
    add(ada, isbn=isbn(1))
    path = add(ada, isbn=isbn(2))
    assert problem(ada.patch(path, json={"isbn": isbn(1), "title": "Another"}))[0] == 409
    assert ada.get(path).json.items() >= book(isbn=isbn(2)).items()
