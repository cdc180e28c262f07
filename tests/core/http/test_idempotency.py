"""`Idempotency-Key`: a retried request gets the first response and has its effect once."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.books import service as books
from app.core.database import db
from app.core.http.idempotency import IdempotencyKey
from app.jobs import service as jobs
from tests.conftest import every_database
from tests.support.clients import Client, book, isbn, problem

KEY = "0b9e2f4a-4f0e-4d6e-9d6c-3c1f6d1c7e55"
CSV = b"title,author,isbn\nEmma,Jane Austen,9780141439587\n"


def add(client: Client, key: str = KEY, **fields: Any) -> Any:
    """Add a book, with a key."""
    return client.post("/books", json=book(**fields), headers={"Idempotency-Key": key})


def upload(client: Client, key: str = KEY, file: bytes = CSV) -> Any:
    """Import a file, with a key."""
    headers = {"Idempotency-Key": key, "Content-Type": "text/csv"}
    return client.post("/books/imports", data=file, headers=headers)


def upload_form(client: Client, boundary: str) -> Any:
    """Import the file as a form's field, with a key."""
    field = 'Content-Disposition: form-data; name="file"; filename="books.csv"'
    form = f"--{boundary}\r\n{field}\r\n\r\n".encode() + CSV + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Idempotency-Key": KEY, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    return client.post("/books/imports", data=form, headers=headers)


def replayed(response: Any) -> bool:
    return bool(response.headers.get("Idempotent-Replayed") == "true")


def told(response: Any) -> tuple[Any, ...]:
    """What an answer says."""
    names = ("Content-Type", "Location", "ETag")
    return response.status_code, response.data, *(response.headers.get(name) for name in names)


def shelf(client: Client) -> list[str]:
    return [item["isbn"] for item in client.get("/books?limit=100").json["items"]]


def keys(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that the broker is told of."""
    told: list[int] = []
    monkeypatch.setattr(jobs, "publish", lambda task, job_id: told.append(job_id))
    return told


@every_database
def test_a_retry_gets_the_first_response(ada: Client) -> None:
    first, second, third = (add(ada) for _ in range(3))
    assert first.status_code == 201
    assert first.headers["Location"]
    assert first.headers["ETag"]
    assert told(first) == told(second) == told(third)
    assert [replayed(answer) for answer in (first, second, third)] == [False, True, True]
    assert shelf(ada) == [book()["isbn"]]


@every_database
def test_a_retried_upload_creates_one_job_whatever_its_encoding(ada: Client, announced: list[int]) -> None:
    first = upload(ada)
    assert first.status_code == 202
    for again in (upload(ada), upload_form(ada, "one"), upload_form(ada, "another")):
        assert replayed(again)
        assert told(again) == told(first)
    assert announced == [item["id"] for item in ada.get("/jobs").json["items"]] == [first.json["id"]]


def test_key_order_and_white_space_of_json_do_not_matter(ada: Client) -> None:
    first = add(ada)
    fields = ", ".join(f'"{name}" : {value!r}'.replace("'", '"') for name, value in reversed(book().items()))
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    again = ada.post("/books", data=f"{{ {fields} }}", headers=headers)
    assert replayed(again)
    assert told(again) == told(first)


@every_database
def test_the_first_response_is_replayed_after_its_object_is_deleted(ada: Client) -> None:
    first = add(ada)
    assert ada.delete(f"/books/{first.json['id']}").status_code == 204
    again = add(ada)
    assert replayed(again)
    assert told(again) == told(first)
    assert shelf(ada) == []


@every_database
def test_requests_without_a_key_are_independent(app: Flask, ada: Client) -> None:
    assert [ada.import_csv(CSV).status_code for _ in range(2)] == [202, 202]
    assert len(ada.get("/jobs").json["items"]) == 2
    assert keys(app) == 0


@every_database
def test_keys_of_different_users_are_independent(ada: Client, bob: Client) -> None:
    first, second = add(ada), add(bob)
    assert (first.status_code, second.status_code) == (201, 201)
    assert not replayed(second)
    assert first.json["id"] != second.json["id"]
    assert told(add(bob)) == told(second)
    assert told(add(ada)) == told(first)


@every_database
def test_a_key_of_another_request_gets_422(ada: Client) -> None:
    add(ada)
    for other in (add(ada, isbn=isbn(1)), add(ada, title="Emma."), upload(ada)):
        status, body = problem(other)
        assert (status, body["errors"]) == (422, {"Idempotency-Key": ["Was used with another request."]})
    assert shelf(ada) == [book()["isbn"]]
    assert ada.get("/jobs").json["items"] == []


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x7f", "é", "\x00"])
def test_an_invalid_key_is_refused(app: Flask, ada: Client, key: str) -> None:
    status, body = problem(add(ada, key))
    assert (status, list(body["errors"])) == (422, ["Idempotency-Key"])
    assert (shelf(ada), keys(app)) == ([], 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, "' OR 1=1 --", '"quoted, as the draft has it"'])
def test_a_key_can_be_any_printable_text(ada: Client, key: str) -> None:
    assert told(add(ada, key)) == told(add(ada, key))


@every_database
def test_keys_are_case_sensitive(ada: Client) -> None:
    assert add(ada, "abc").status_code == add(ada, "ABC", isbn=isbn(1)).status_code == 201


@every_database
def test_other_operations_ignore_the_key(app: Flask, ada: Client) -> None:
    path = f"/books/{ada.post('/books', json=book()).json['id']}"
    for title in ("One", "Two"):
        changed = ada.patch(path, json={"title": title}, headers={"Idempotency-Key": KEY})
        assert (changed.status_code, changed.json["title"], replayed(changed)) == (200, title, False)
    deleted = [ada.delete(path, headers={"Idempotency-Key": KEY}).status_code for _ in range(2)]
    assert deleted == [204, 404]
    assert keys(app) == 0


def test_the_openapi_document_names_the_idempotent_operations(anonymous: Client) -> None:
    paths = anonymous.get("~/openapi.json").json["paths"]
    taking = {
        f"{method} {path}": parameter
        for path, operations in paths.items()
        for method, operation in operations.items()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key"
    }
    assert set(taking) == {"post /api/v1/books", "post /api/v1/books/imports"}
    for parameter in taking.values():
        assert (parameter["in"], parameter.get("required", False)) == ("header", False)
        assert "24 hours" in parameter["description"]


@every_database
def test_an_error_response_is_not_replayed(ada: Client) -> None:
    first = ada.post("/books", json=book())
    assert [add(ada).status_code for _ in range(2)] == [409, 409]
    ada.delete(f"/books/{first.json['id']}")
    again = add(ada)
    assert (again.status_code, replayed(again)) == (201, False)


@every_database
def test_an_unexpected_error_is_not_replayed(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(books, "create", lambda *_, **__: 1 // 0)
        assert problem(add(ada))[0] == 500
    assert keys(app) == 0
    assert add(ada).status_code == 201


@every_database
def test_an_invalid_request_does_not_use_its_key(app: Flask, ada: Client) -> None:
    assert add(ada, title="").status_code == 422
    assert keys(app) == 0
    assert add(ada).status_code == 201
