"""`POST /users/me/password`."""

from typing import Any

from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import PASSWORD, log_in

NEW = "another long password"


def change(client: Client, **fields: Any) -> Any:
    return client.post("/users/me/password", json={"current_password": PASSWORD, "new_password": NEW} | fields)


@every_database
def test_the_new_password_logs_in_and_the_old_one_does_not(ada: Client, anonymous: Client) -> None:
    response = change(ada)
    assert (response.status_code, response.data) == (204, b"")
    assert log_in(ada.app, "ada@example.org", NEW).get("/users/me").status_code == 200
    old = anonymous.post("/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert old.status_code == 401


@every_database
def test_a_password_change_ends_the_users_other_sessions_only(app: Flask, ada: Client, bob: Client) -> None:
    phone = log_in(app, "ada@example.org")
    change(ada)
    assert phone.get("/users/me").status_code == 401
    assert Client(app, phone.refresh_token).post("/auth/refresh").status_code == 401
    assert ada.get("/users/me").status_code == 200
    assert Client(app, ada.refresh_token).post("/auth/refresh").status_code == 200
    assert bob.get("/users/me").status_code == 200


def test_a_wrong_current_password_changes_nothing(app: Flask, ada: Client) -> None:
    phone = log_in(app, "ada@example.org")
    assert problem(change(ada, current_password="a guess"))[0] == 403
    assert phone.get("/users/me").status_code == 200
    assert log_in(app, "ada@example.org", PASSWORD).get("/users/me").status_code == 200


def test_a_weak_new_password_is_refused(ada: Client) -> None:
    status, body = problem(change(ada, new_password="1234567"))
    assert status == 422
    assert list(body["errors"]) == ["new_password"]


def test_the_current_password_is_required(ada: Client) -> None:
    status, body = problem(ada.post("/users/me/password", json={"new_password": NEW}))
    assert status == 422
    assert list(body["errors"]) == ["current_password"]


def test_a_password_change_requires_a_token(anonymous: Client) -> None:
    assert problem(change(anonymous))[0] == 401
