"""What every request can rely on: an id, problems instead of errors, and who may ask from a browser."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import create_app
from app.books import service as books
from app.core.database import db
from tests.conftest import make_settings
from tests.support.clients import Client, book, problem

ROUTER_ID = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"


def break_down(*_: Any, **__: Any) -> None:
    raise RuntimeError("the password of the database is hunter2")


@pytest.mark.parametrize("given", [ROUTER_ID, "x" * 20, "x" * 200, "aZ09._:+/=-aZ09._:+/=-"])
def test_the_request_id_of_the_router_is_kept(anonymous: Client, given: str) -> None:
    assert anonymous.get("~/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given",
    ["", "x" * 19, "x" * 201, "x" * 20 + " ", "x y" * 10, "<script>alert(1)</script>", "é" * 20, "x" * 20 + "%"],
)
def test_an_unsafe_request_id_is_replaced(anonymous: Client, given: str) -> None:
    request_id = anonymous.get("~/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert request_id != given.strip()
    assert 20 <= len(request_id) <= 200


def test_a_request_without_an_id_gets_one(anonymous: Client) -> None:
    assert len({anonymous.get("~/healthz").headers["X-Request-ID"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (400, "POST", "/books", {"data": "{", "content_type": "application/json"}),
        (404, "GET", "~/nowhere", {}),
        (404, "GET", "/books/1", {}),
        (405, "PUT", "/books", {}),
        (409, "POST", "/books", {"json": book()}),
        (415, "POST", "/books", {"data": "title=Emma"}),
        (422, "POST", "/books", {"json": {}}),
        (500, "GET", "/books", {}),
    ],
)
def test_a_problem_contains_the_request_id(
    ada: Client, monkeypatch: pytest.MonkeyPatch, status: int, method: str, path: str, options: dict[str, Any]
) -> None:
    ada.post("/books", json=book())
    monkeypatch.setattr(books, "find", break_down)
    response = ada.open(method, path, headers={"X-Request-ID": ROUTER_ID}, **options)
    assert response.status_code == status
    assert response.headers["X-Request-ID"] == response.json["request_id"] == ROUTER_ID


def test_a_401_contains_the_request_id(anonymous: Client) -> None:
    response = anonymous.get("/books")
    assert response.status_code == 401
    assert response.headers["X-Request-ID"] == response.json["request_id"]


def test_an_unknown_path_gets_a_404_problem(anonymous: Client) -> None:
    status, body = problem(anonymous.get("/nowhere"))
    assert status == 404
    assert body.pop("detail")
    assert body == {"type": "about:blank", "title": "Not Found", "status": 404}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/books", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/books/1", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}),
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
        {"data": {"title": "Emma"}},
        {},
    ],
)
def test_a_415_names_the_accepted_content_type(ada: Client, options: dict[str, Any]) -> None:
    status, body = problem(ada.post("/books", **options))
    assert status == 415
    assert "application/json" in body["detail"]


def test_a_content_type_with_a_charset_is_accepted(ada: Client) -> None:
    body = '{"title": "Émile", "author": "Rousseau", "isbn": "9780141439587"}'
    response = ada.post("/books", data=body, content_type="application/json; charset=utf-8")
    assert (response.status_code, response.json["title"]) == (201, "Émile")


def test_a_500_reveals_nothing_about_the_error(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "find", break_down)
    response = ada.get("/books")
    status, body = problem(response)
    assert (status, body["title"]) == (500, "Internal Server Error")
    for secret in ("hunter2", "RuntimeError", "Traceback", "break_down"):
        assert secret not in response.text


def test_a_database_error_is_not_revealed(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_nonsense(*_: Any, **__: Any) -> None:
        db.session.execute(text("SELECT hunter2 FROM books"))

    monkeypatch.setattr(books, "find", ask_nonsense)
    response = ada.get("/books")
    assert problem(response)[0] in (500, 503)
    for secret in ("hunter2", "SELECT", "sqlite", "OperationalError"):
        assert secret not in response.text


def test_an_unexpected_error_rolls_back(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    create = books.create

    def create_and_break_down(*arguments: Any, **fields: Any) -> None:
        create(*arguments, **fields)
        break_down()

    monkeypatch.setattr(books, "create", create_and_break_down)
    assert ada.post("/books", json=book()).status_code == 500
    monkeypatch.undo()
    assert ada.get("/books").json["items"] == []
    assert ada.post("/books", json=book()).status_code == 201


def cors_app(folder: Path, *origins: str) -> Flask:
    settings = make_settings(f"sqlite:///{folder}/a.db", f"sqla+sqlite:///{folder}/b.db", cors_origins=origins)
    return create_app(settings)


def preflight(app: Flask, origin: str) -> Any:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, content-type, if-match",
    }
    return Client(app).open("OPTIONS", "/books/1", headers=headers)


def cors_headers(response: Any) -> list[str]:
    return [name for name in response.headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118


def test_no_origin_is_allowed_by_default(app: Flask, anonymous: Client) -> None:
    for response in (anonymous.get("~/healthz", headers={"Origin": "https://a.org"}), preflight(app, "https://a.org")):
        assert cors_headers(response) == []


@pytest.mark.parametrize("origin", ["https://a.org", "https://b.org:8443"])
def test_a_listed_origin_is_allowed(tmp_path: Path, origin: str) -> None:
    app = cors_app(tmp_path, "https://a.org", "https://b.org:8443")
    response = Client(app).get("~/healthz", headers={"Origin": origin})
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://b.org", "http://a.org", "https://a.org.b.org", "https://xa.org", "null"])
def test_an_unlisted_origin_is_not_allowed(tmp_path: Path, origin: str) -> None:
    app = cors_app(tmp_path, "https://a.org")
    for response in (Client(app).get("~/healthz", headers={"Origin": origin}), preflight(app, origin)):
        assert cors_headers(response) == []


def test_a_listed_origin_can_send_a_token_json_and_preconditions(tmp_path: Path) -> None:
    response = preflight(cors_app(tmp_path, "https://a.org"), "https://a.org")
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.org"
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type", "if-match"} <= set(allowed.split(", "))


def test_a_listed_origin_can_read_problems(tmp_path: Path) -> None:
    response = Client(cors_app(tmp_path, "https://a.org")).get("/books", headers={"Origin": "https://a.org"})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.org"


def test_a_listed_origin_can_read_the_response_headers(tmp_path: Path) -> None:
    response = Client(cors_app(tmp_path, "https://a.org")).get("~/healthz", headers={"Origin": "https://a.org"})
    shown = response.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"etag", "link", "location", "x-request-id"} <= set(shown)


def test_cors_allows_no_cookies(tmp_path: Path) -> None:
    response = Client(cors_app(tmp_path, "https://a.org")).get("~/healthz", headers={"Origin": "https://a.org"})
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "Set-Cookie" not in response.headers
