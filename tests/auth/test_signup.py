"""`POST /auth/signup`."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client, at_once, problem
from tests.support.factories import account, log_in, sign_up


@every_database
def test_a_signup_returns_the_account_without_its_password(anonymous: Client) -> None:
    response = anonymous.post("/auth/signup", json=account(name="Ada 👩‍💻 Łovelace"))
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
def test_a_taken_email_gets_409_in_any_case(ada: Client, anonymous: Client) -> None:
    assert problem(anonymous.post("/auth/signup", json=account(email="ADA@Example.org")))[0] == 409


@every_database
def test_emails_that_differ_in_an_accent_are_two_accounts(ada: Client, anonymous: Client) -> None:
    assert anonymous.post("/auth/signup", json=account(email="adá@example.org")).status_code == 201


@every_database
def test_one_of_two_concurrent_signups_with_one_email_gets_409(app: Flask) -> None:
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
def test_an_invalid_field_is_named(anonymous: Client, field: str, value: Any) -> None:
    status, body = problem(anonymous.post("/auth/signup", json=account(**{field: value})))
    assert status == 422
    assert list(body["errors"]) == [field]


def test_every_missing_field_is_named(anonymous: Client) -> None:
    status, body = problem(anonymous.post("/auth/signup", json={}))
    assert status == 422
    assert sorted(body["errors"]) == ["email", "name", "password"]


@pytest.mark.parametrize("password", ["8 chars.", "x" * 128, "  spaces around  ", "пароль 密码 🔑"])
def test_a_password_may_contain_any_characters(app: Flask, password: str) -> None:
    sign_up(app, "ada@example.org", password)
    assert log_in(app, "ada@example.org", password).get("/users/me").status_code == 200
