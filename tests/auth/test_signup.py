"""New accounts: `POST /auth/signup`."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import PASSWORD, Client, at_once, log_in, problem, sign_up


def account(**fields: Any) -> dict[str, Any]:
    return {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"} | fields


@every_database
def test_a_new_account_is_answered_without_its_password(anyone: Client) -> None:
    response = anyone.post("/auth/signup", json=account(name="Ada 👩‍💻 Łovelace"))
    assert response.status_code == 201
    user = response.json
    assert user.pop("id") > 0
    assert user.pop("created_at").endswith("Z")
    assert user == {
        "email": "ada@example.org",
        "name": "Ada 👩‍💻 Łovelace",
        "role": "user",
        "email_verified": False,
        "active": True,
    }


@every_database
def test_an_email_that_is_taken_answers_409_in_any_case_of_letters(ada: Client, anyone: Client) -> None:
    assert problem(anyone.post("/auth/signup", json=account(email="ADA@Example.org")))[0] == 409


@every_database
def test_emails_that_differ_in_an_accent_are_two_accounts(ada: Client, anyone: Client) -> None:
    assert anyone.post("/auth/signup", json=account(email="adá@example.org")).status_code == 201


@every_database
def test_of_two_signups_with_one_email_at_once_one_is_answered_409(app: Flask) -> None:
    responses = at_once(lambda: Client(app).post("/auth/signup", json=account()))
    assert sorted(response.status_code for response in responses) == [201, 409]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ada"),
        ("email", "ada@"),
        ("email", None),
        ("email", f"{'a' * 243}@example.org"),
        ("password", "1234567"),
        ("password", "x" * 129),
        ("password", "with NUL \0"),
        ("name", "  "),
        ("name", "x" * 201),
        ("name", 1),
        ("role", "admin"),
    ],
)
def test_a_field_that_is_not_valid_is_named(anyone: Client, field: str, value: Any) -> None:
    status, body = problem(anyone.post("/auth/signup", json=account(**{field: value})))
    assert status == 422
    assert list(body["errors"]) == [field]


def test_every_missing_field_is_named(anyone: Client) -> None:
    status, body = problem(anyone.post("/auth/signup", json={}))
    assert status == 422
    assert sorted(body["errors"]) == ["email", "name", "password"]


@pytest.mark.parametrize("password", ["8 chars.", "x" * 128, "  spaces around  ", "пароль 密码 🔑"])
def test_any_characters_make_a_password(app: Flask, password: str) -> None:
    sign_up(app, "ada@example.org", password)
    assert log_in(app, "ada@example.org", password).get("/users/me").status_code == 200
