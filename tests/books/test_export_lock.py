"""On SQLite, an export does not take the write lock, although it is streamed after the request."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.core.database import db
from tests.support.clients import Client


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_export_takes_no_write_lock(app: Flask, ada: Client) -> None:
    book = {"title": "Emma", "author": "Jane Austen", "isbn": "9780141439587"}
    assert ada.post("/books", json=book).status_code == 201
    begun: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        response = ada.get("/books/export")
        assert len(response.text.splitlines()) == 2
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert set(begun) == {"BEGIN"}
