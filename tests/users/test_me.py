"""`/users/me`: the user's own account."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import PASSWORD, import_notes, log_in, note, sign_up


def delete(client: Client, **fields: Any) -> Any:
    return client.delete("/users/me", json={"current_password": PASSWORD} | fields)


def test_an_account_can_be_read(ada: Client) -> None:
    user = ada.get("/users/me").json
    assert user.pop("id") > 0
    assert user.pop("created_at").endswith("Z")
    assert user == {
        "email": "ada@example.org",
        "name": "ada@example.org",
        "role": "user",
        "email_verified": False,
        "active": True,
    }


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_the_account_requires_a_token(anonymous: Client, method: str) -> None:
    assert problem(anonymous.open(method, "/users/me"))[0] == 401


@every_database
def test_a_name_can_be_changed(ada: Client) -> None:
    before = ada.get("/users/me").json
    response = ada.patch("/users/me", json={"name": " Ada King 👑 "})
    assert response.status_code == 200
    assert response.json == before | {"name": "Ada King 👑"}
    assert ada.get("/users/me").json == response.json


def test_an_update_without_fields_changes_nothing(ada: Client) -> None:
    before = ada.get("/users/me").json
    assert ada.patch("/users/me", json={}).json == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("name", None),
        ("email", "king@example.org"),
        ("role", "admin"),
        ("active", False),
        ("email_verified", True),
        ("id", 1),
    ],
)
def test_a_read_only_or_invalid_field_is_named(ada: Client, field: str, value: Any) -> None:
    before = ada.get("/users/me").json
    status, body = problem(ada.patch("/users/me", json={field: value}))
    assert status == 422
    assert list(body["errors"]) == [field]
    assert ada.get("/users/me").json == before


@every_database
def test_a_deleted_account_has_no_valid_tokens_or_password(app: Flask, ada: Client, anonymous: Client) -> None:
    phone = log_in(app, "ada@example.org")
    response = delete(ada)
    assert (response.status_code, response.data) == (204, b"")
    assert ada.get("/users/me").status_code == 401
    assert Client(app, ada.refresh_token).post("/auth/refresh").status_code == 401
    assert phone.get("/users/me").status_code == 401
    credentials = {"email": "ada@example.org", "password": PASSWORD}
    assert anonymous.post("/auth/login", json=credentials).status_code == 401


@every_database
def test_deleting_an_account_deletes_its_data_only(app: Flask, ada: Client, bob: Client) -> None:
    for user in (ada, bob):
        assert user.post("/notes", json=note()).status_code == 201
        assert import_notes(user).status_code == 202
    delete(ada)
    new_ada = sign_up(app, "ada@example.org")
    assert new_ada.get("/notes").json["items"] == new_ada.get("/jobs").json["items"] == []
    assert len(bob.get("/notes").json["items"]) == len(bob.get("/jobs").json["items"]) == 1


def test_a_wrong_password_deletes_nothing(ada: Client) -> None:
    assert problem(delete(ada, current_password="a guess"))[0] == 403
    assert ada.get("/users/me").status_code == 200


def test_a_missing_password_deletes_nothing(ada: Client) -> None:
    status, body = problem(ada.delete("/users/me", json={}))
    assert status == 422
    assert list(body["errors"]) == ["current_password"]
    assert ada.get("/users/me").status_code == 200
