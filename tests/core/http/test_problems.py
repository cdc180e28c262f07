"""Errors are problems (RFC 9457) that reveal nothing internal."""

from typing import Any

import pytest
from sqlalchemy import text

from app.core.database import db
from tests.support.clients import Client, problem
from tests.support.factories import note
from tests.support.notes import service as notes


def fail_with_secret(*_: Any, **__: Any) -> None:
    raise RuntimeError("the password of the database is hunter2")


def test_an_unknown_path_gets_a_404_problem(anonymous: Client) -> None:
    status, body = problem(anonymous.get("/nowhere"))
    assert status == 404
    assert body.pop("detail")
    assert body == {"type": "about:blank", "title": "Not Found", "status": 404}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/notes", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/notes/1", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}),
        ("/auth/login", {"OPTIONS", "POST"}),
        ("~/healthz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_405_names_the_allowed_methods(anonymous: Client, path: str, allowed: set[str]) -> None:
    response = anonymous.open("PUT", path)
    assert problem(response)[0] == 405
    assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "options",
    [
        {"data": "{}", "content_type": "text/plain"},
        {"data": "{}", "content_type": "application/vnd.api+json"},
        {"data": "{}"},
        {"data": {"title": "Milk"}},
        {},
    ],
)
def test_a_415_names_the_accepted_content_type(ada: Client, options: dict[str, Any]) -> None:
    status, body = problem(ada.post("/notes", **options))
    assert status == 415
    assert "application/json" in body["detail"]


def test_a_content_type_with_a_charset_is_accepted(ada: Client) -> None:
    body = '{"title": "Émile", "text": "Rousseau", "code": "A-1"}'
    response = ada.post("/notes", data=body, content_type="application/json; charset=utf-8")
    assert (response.status_code, response.json["title"]) == (201, "Émile")


def test_a_500_reveals_nothing_about_the_error(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "find", fail_with_secret)
    response = ada.get("/notes")
    status, body = problem(response)
    assert (status, body["title"]) == (500, "Internal Server Error")
    for secret in ("hunter2", "RuntimeError", "Traceback", "fail_with_secret"):
        assert secret not in response.text


def test_a_database_error_is_not_revealed(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def select_missing_column(*_: Any, **__: Any) -> None:
        db.session.execute(text("SELECT hunter2 FROM notes"))

    monkeypatch.setattr(notes, "find", select_missing_column)
    response = ada.get("/notes")
    assert problem(response)[0] in (500, 503)
    for secret in ("hunter2", "SELECT", "sqlite", "OperationalError"):
        assert secret not in response.text


def test_an_unexpected_error_rolls_back(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    create = notes.create

    def create_and_fail(*arguments: Any, **fields: Any) -> None:
        create(*arguments, **fields)
        fail_with_secret()

    monkeypatch.setattr(notes, "create", create_and_fail)
    assert ada.post("/notes", json=note()).status_code == 500
    monkeypatch.undo()
    assert ada.get("/notes").json["items"] == []
    assert ada.post("/notes", json=note()).status_code == 201
