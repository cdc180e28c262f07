"""`Idempotency-Key`: a retried request gets the first response and has its effect once."""

import pytest
from flask import Flask

from tests.conftest import every_database
from tests.core.http.idempotent import KEY, codes, content, count_keys, create, is_replayed, upload, upload_form
from tests.support.clients import Client, problem
from tests.support.factories import code, import_notes, note
from tests.support.notes import service as notes


@every_database
def test_a_retry_gets_the_first_response(ada: Client) -> None:
    first, second, third = (create(ada) for _ in range(3))
    assert first.status_code == 201
    assert first.headers["Location"]
    assert first.headers["ETag"]
    assert content(first) == content(second) == content(third)
    assert [is_replayed(response) for response in (first, second, third)] == [False, True, True]
    assert codes(ada) == [note()["code"]]


@every_database
def test_a_retried_upload_creates_one_job_whatever_its_encoding(ada: Client, announced: list[int]) -> None:
    first = upload(ada)
    assert first.status_code == 202
    for again in (upload(ada), upload_form(ada, "one"), upload_form(ada, "another")):
        assert is_replayed(again)
        assert content(again) == content(first)
    assert announced == [item["id"] for item in ada.get("/jobs").json["items"]] == [first.json["id"]]


def test_key_order_and_white_space_of_json_do_not_matter(ada: Client) -> None:
    first = create(ada)
    fields = ", ".join(f'"{name}" : {value!r}'.replace("'", '"') for name, value in reversed(note().items()))
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    again = ada.post("/notes", data=f"{{ {fields} }}", headers=headers)
    assert is_replayed(again)
    assert content(again) == content(first)


@every_database
def test_the_first_response_is_replayed_after_its_object_is_deleted(ada: Client) -> None:
    first = create(ada)
    assert ada.delete(f"/notes/{first.json['id']}").status_code == 204
    again = create(ada)
    assert is_replayed(again)
    assert content(again) == content(first)
    assert codes(ada) == []


@every_database
def test_requests_without_a_key_are_independent(app: Flask, ada: Client) -> None:
    assert [import_notes(ada).status_code for _ in range(2)] == [202, 202]
    assert len(ada.get("/jobs").json["items"]) == 2
    assert count_keys(app) == 0


@every_database
def test_keys_of_different_users_are_independent(ada: Client, bob: Client) -> None:
    first, second = create(ada), create(bob)
    assert (first.status_code, second.status_code) == (201, 201)
    assert not is_replayed(second)
    assert first.json["id"] != second.json["id"]
    assert content(create(bob)) == content(second)
    assert content(create(ada)) == content(first)


@every_database
def test_a_key_of_another_request_gets_422(ada: Client) -> None:
    create(ada)
    for other in (create(ada, code=code(1)), create(ada, title="Milk."), upload(ada)):
        status, body = problem(other)
        assert (status, body["errors"]) == (422, {"Idempotency-Key": ["Was used with another request."]})
    assert codes(ada) == [note()["code"]]
    assert ada.get("/jobs").json["items"] == []


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x7f", "é", "\x00"])
def test_an_invalid_key_is_refused(app: Flask, ada: Client, key: str) -> None:
    status, body = problem(create(ada, key))
    assert (status, list(body["errors"])) == (422, ["Idempotency-Key"])
    assert (codes(ada), count_keys(app)) == ([], 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, "' OR 1=1 --", '"quoted, as the draft has it"'])
def test_a_key_can_be_any_printable_text(ada: Client, key: str) -> None:
    assert content(create(ada, key)) == content(create(ada, key))


@every_database
def test_keys_are_case_sensitive(ada: Client) -> None:
    assert create(ada, "abc").status_code == create(ada, "ABC", code=code(1)).status_code == 201


@every_database
def test_other_operations_ignore_the_key(app: Flask, ada: Client) -> None:
    path = f"/notes/{ada.post('/notes', json=note()).json['id']}"
    for title in ("One", "Two"):
        changed = ada.patch(path, json={"title": title}, headers={"Idempotency-Key": KEY})
        assert (changed.status_code, changed.json["title"], is_replayed(changed)) == (200, title, False)
    deleted = [ada.delete(path, headers={"Idempotency-Key": KEY}).status_code for _ in range(2)]
    assert deleted == [204, 404]
    assert count_keys(app) == 0


def test_the_openapi_document_names_the_idempotent_operations(anonymous: Client) -> None:
    paths = anonymous.get("~/openapi.json").json["paths"]
    idempotent = {
        f"{method} {path}": parameter
        for path, operations in paths.items()
        for method, operation in operations.items()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key" and path.startswith("/api/v1/notes")
    }
    assert set(idempotent) == {"post /api/v1/notes", "post /api/v1/notes/imports"}
    for parameter in idempotent.values():
        assert (parameter["in"], parameter.get("required", False)) == ("header", False)
        assert "24 hours" in parameter["description"]


@every_database
def test_an_error_response_is_not_replayed(ada: Client) -> None:
    first = ada.post("/notes", json=note())
    assert [create(ada).status_code for _ in range(2)] == [409, 409]
    ada.delete(f"/notes/{first.json['id']}")
    again = create(ada)
    assert (again.status_code, is_replayed(again)) == (201, False)


@every_database
def test_an_unexpected_error_is_not_replayed(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(notes, "create", lambda *_, **__: 1 // 0)
        assert problem(create(ada))[0] == 500
    assert count_keys(app) == 0
    assert create(ada).status_code == 201


@every_database
def test_an_invalid_request_does_not_use_its_key(app: Flask, ada: Client) -> None:
    assert create(ada, title="").status_code == 422
    assert count_keys(app) == 0
    assert create(ada).status_code == 201
