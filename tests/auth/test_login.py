"""`POST /auth/login`, and the tokens that it returns."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from flask_jwt_extended import create_access_token, decode_token
from sqlalchemy import update

from app.core.database import db
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import PASSWORD, log_in


def credentials(**fields: Any) -> dict[str, Any]:
    return {"email": "ada@example.org", "password": PASSWORD} | fields


def password_grant(**fields: str) -> dict[str, str]:
    return {"grant_type": "password", "username": "ada@example.org", "password": PASSWORD} | fields


def close_account(app: Flask) -> None:
    with app.app_context():
        db.session.execute(update(User).values(active=False))
        db.session.commit()


@every_database
def test_a_login_returns_a_pair_of_tokens(ada: Client, anonymous: Client) -> None:
    response = anonymous.post("/auth/login", json=credentials())
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.json
    assert Client(anonymous.app, tokens.pop("access_token")).get("/users/me").status_code == 200
    assert tokens.pop("refresh_token")
    assert tokens == {"token_type": "Bearer", "expires_in": 900}


@every_database
def test_a_login_ignores_the_case_of_the_email(ada: Client, anonymous: Client) -> None:
    assert anonymous.post("/auth/login", json=credentials(email="Ada@EXAMPLE.org")).status_code == 200


def test_the_oauth2_password_form_logs_in(ada: Client, anonymous: Client) -> None:
    response = anonymous.post("/auth/login", data=password_grant(scope="", client_id="docs"))
    assert response.status_code == 200
    assert Client(anonymous.app, response.json["access_token"]).get("/users/me").json["email"] == "ada@example.org"


def test_other_oauth2_grants_are_refused(ada: Client, anonymous: Client) -> None:
    status, body = problem(anonymous.post("/auth/login", data=password_grant(grant_type="client_credentials")))
    assert status == 422
    assert list(body["errors"]) == ["grant_type"]


def test_an_unknown_email_and_a_wrong_password_get_the_same_401(ada: Client, anonymous: Client) -> None:
    unknown = anonymous.post("/auth/login", json=credentials(email="nobody@example.org"))
    wrong = anonymous.post("/auth/login", json=credentials(password="wrong password"))
    assert unknown.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"] == "Bearer"
    assert problem(unknown) == problem(wrong)
    assert problem(wrong)[0] == 401


def test_passwords_keep_their_spaces_and_case(ada: Client, anonymous: Client) -> None:
    for password in (f"{PASSWORD} ", PASSWORD.upper()):
        assert anonymous.post("/auth/login", json=credentials(password=password)).status_code == 401


def test_a_closed_account_gets_the_401_of_an_unknown_email(app: Flask, ada: Client, anonymous: Client) -> None:
    wrong = anonymous.post("/auth/login", json=credentials(password="wrong password"))
    close_account(app)
    assert problem(anonymous.post("/auth/login", json=credentials())) == problem(wrong)


def test_the_tokens_of_a_closed_account_are_invalid(app: Flask, ada: Client) -> None:
    close_account(app)
    assert ada.get("/users/me").status_code == 401
    assert Client(app, ada.refresh_token).post("/auth/refresh").status_code == 401


@pytest.mark.parametrize("field", ["email", "password"])
def test_a_missing_credential_is_named(anonymous: Client, field: str) -> None:
    given = credentials()
    del given[field]
    status, body = problem(anonymous.post("/auth/login", json=given))
    assert status == 422
    assert list(body["errors"]) == [field]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic YWRhOmFkYQ==", "Token x"])
def test_a_request_without_a_token_gets_401_with_www_authenticate(anonymous: Client, authorization: str) -> None:
    response = anonymous.get("/users/me", headers={"Authorization": authorization} if authorization else {})
    assert problem(response)[0] == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_in_the_query_is_ignored(ada: Client, anonymous: Client) -> None:
    assert anonymous.get("/users/me", query_string={"jwt": ada.token}).status_code == 401


def test_a_token_that_is_signed_with_another_key_is_refused(app: Flask, ada: Client) -> None:
    with app.app_context():
        claims = decode_token(ada.token or "")
    forged = jwt.encode(claims, "another key of 32 characters or more", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    for token in (forged, unsigned):
        assert Client(app, token).get("/users/me").status_code == 401


def test_an_access_token_expires(app: Flask, ada: Client) -> None:
    with app.app_context():
        session = {"sid": decode_token(ada.token or "")["sid"]}
        user_id = decode_token(ada.token or "")["sub"]
        live = create_access_token(user_id, additional_claims=session)
        expired = create_access_token(user_id, additional_claims=session, expires_delta=timedelta(seconds=-1))
    assert Client(app, live).get("/users/me").status_code == 200
    assert Client(app, expired).get("/users/me").status_code == 401


def test_each_login_starts_its_own_session(app: Flask, ada: Client) -> None:
    phone = log_in(app, "ada@example.org")
    assert phone.post("/auth/logout").status_code == 204
    assert ada.get("/users/me").status_code == 200
