"""New sessions: `POST /auth/login`, and who a token stands for."""

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
from tests.support.clients import PASSWORD, Client, log_in, problem


def credentials(**fields: Any) -> dict[str, Any]:
    return {"email": "ada@example.org", "password": PASSWORD} | fields


def password_grant(**fields: str) -> dict[str, str]:
    return {"grant_type": "password", "username": "ada@example.org", "password": PASSWORD} | fields


def close_account(app: Flask) -> None:
    with app.app_context():
        db.session.execute(update(User).values(active=False))
        db.session.commit()


@every_database
def test_a_login_answers_a_pair_of_tokens(ada: Client, anyone: Client) -> None:
    response = anyone.post("/auth/login", json=credentials())
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.json
    assert Client(anyone.app, tokens.pop("access_token")).get("/users/me").status_code == 200
    assert tokens.pop("refresh_token")
    assert tokens == {"token_type": "Bearer", "expires_in": 900}


@every_database
def test_the_case_of_an_email_does_not_matter(ada: Client, anyone: Client) -> None:
    assert anyone.post("/auth/login", json=credentials(email="Ada@EXAMPLE.org")).status_code == 200


def test_the_oauth2_password_form_logs_in(ada: Client, anyone: Client) -> None:
    response = anyone.post("/auth/login", data=password_grant(scope="", client_id="docs"))
    assert response.status_code == 200
    assert Client(anyone.app, response.json["access_token"]).get("/users/me").json["email"] == "ada@example.org"


def test_another_oauth2_grant_is_refused(ada: Client, anyone: Client) -> None:
    status, body = problem(anyone.post("/auth/login", data=password_grant(grant_type="client_credentials")))
    assert status == 422
    assert list(body["errors"]) == ["grant_type"]


def test_an_unknown_email_and_a_wrong_password_look_alike(ada: Client, anyone: Client) -> None:
    unknown = anyone.post("/auth/login", json=credentials(email="nobody@example.org"))
    wrong = anyone.post("/auth/login", json=credentials(password="wrong password"))
    assert unknown.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"] == "Bearer"
    assert problem(unknown) == problem(wrong)
    assert problem(wrong)[0] == 401


def test_a_password_is_compared_with_its_spaces_and_case(ada: Client, anyone: Client) -> None:
    for password in (f"{PASSWORD} ", PASSWORD.upper()):
        assert anyone.post("/auth/login", json=credentials(password=password)).status_code == 401


def test_a_closed_account_looks_like_none(app: Flask, ada: Client, anyone: Client) -> None:
    wrong = anyone.post("/auth/login", json=credentials(password="wrong password"))
    close_account(app)
    assert problem(anyone.post("/auth/login", json=credentials())) == problem(wrong)


def test_the_tokens_of_a_closed_account_are_dead(app: Flask, ada: Client) -> None:
    close_account(app)
    assert ada.get("/users/me").status_code == 401
    assert Client(app, ada.refresh_token).post("/auth/refresh").status_code == 401


@pytest.mark.parametrize("field", ["email", "password"])
def test_a_missing_credential_is_named(anyone: Client, field: str) -> None:
    given = credentials()
    del given[field]
    status, body = problem(anyone.post("/auth/login", json=given))
    assert status == 422
    assert list(body["errors"]) == [field]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic YWRhOmFkYQ==", "Token x"])
def test_who_has_no_token_is_told_that_one_is_needed(anyone: Client, authorization: str) -> None:
    response = anyone.get("/books", headers={"Authorization": authorization} if authorization else {})
    assert problem(response)[0] == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_in_the_query_is_not_taken(ada: Client, anyone: Client) -> None:
    assert anyone.get("/users/me", query_string={"jwt": ada.token}).status_code == 401


def test_a_token_that_is_signed_with_another_key_is_refused(app: Flask, ada: Client) -> None:
    with app.app_context():
        claims = decode_token(ada.token or "")
    forged = jwt.encode(claims, "another key, as long as a key has to be", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    for token in (forged, unsigned):
        assert Client(app, token).get("/users/me").status_code == 401


def test_an_access_token_ends_by_itself(app: Flask, ada: Client) -> None:
    with app.app_context():
        session = {"sid": decode_token(ada.token or "")["sid"]}
        user_id = decode_token(ada.token or "")["sub"]
        live = create_access_token(user_id, additional_claims=session)
        expired = create_access_token(user_id, additional_claims=session, expires_delta=timedelta(seconds=-1))
    assert Client(app, live).get("/users/me").status_code == 200
    assert Client(app, expired).get("/users/me").status_code == 401


def test_each_login_is_a_session_of_its_own(app: Flask, ada: Client) -> None:
    phone = log_in(app, "ada@example.org")
    assert phone.post("/auth/logout").status_code == 204
    assert ada.get("/users/me").status_code == 200
