"""Forged, expired and misused tokens: 401 without details."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import PASSWORD

Claims = dict[str, Any]
PAST = 1_700_000_000

CLAIMS: dict[str, Callable[[Claims], Claims]] = {
    "expired": lambda claims: claims | {"exp": PAST},
    "without an expiry": lambda claims: without(claims, "exp"),
    "with an expiry in words": lambda claims: claims | {"exp": "tomorrow"},
    "not valid yet": lambda claims: claims | {"nbf": 9_999_999_999},
    "without a session": lambda claims: without(claims, "sid"),
    "with a session that is null": lambda claims: claims | {"sid": None},
    "with a session that is a number": lambda claims: claims | {"sid": 5},
    "with a session that is an object": lambda claims: claims | {"sid": {"id": claims["sid"]}},
    "of an unknown session": lambda claims: claims | {"sid": "0" * 32},
    "without a user": lambda claims: without(claims, "sub"),
    "of another user": lambda claims: claims | {"sub": str(int(claims["sub"]) + 1)},
    "of a user in words": lambda claims: claims | {"sub": "ada"},
    "of a user in Unicode digits": lambda claims: claims | {"sub": "१"},
    "of a user beyond 2^63": lambda claims: claims | {"sub": "9" * 30},
    "of a user as a number": lambda claims: claims | {"sub": int(claims["sub"])},
    "of no known type": lambda claims: claims | {"type": "admin"},
    "of the other type": lambda claims: claims | {"type": "refresh"},
}


def encoded(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


GARBAGE = {
    "no token": "",
    "a word": "token",
    "dots": "..",
    "many dots": "." * 100,
    "8,000 characters": "x" * 8_000,
    "not ASCII": "\xff.\xff.\xff",
    "a header that is a list": f"{encoded([])}.{encoded({})}.x",
    "a header that is NaN": f"{encoded(b'NaN')}.{encoded({})}.x",
    "a header that is not UTF-8": f"{encoded(bytes([255]))}.{encoded({})}.x",
    "a header of 5,000 digits": f"{encoded(b'9' * 5_000)}.{encoded({})}.x",
    "a deep header": f"{encoded(b'[' * 5_000)}.{encoded({})}.x",
    "an algorithm that is a list": f"{encoded({'alg': ['HS256']})}.{encoded({})}.x",
    "a key id that is a number": f"{encoded({'alg': 'HS256', 'kid': 5})}.{encoded({})}.x",
}


def without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


def claims_of(token: str | None) -> Claims:
    return jwt.decode(token or "", options={"verify_signature": False})


def assert_unauthenticated(app: Flask, token: str, path: str = "/users/me", method: str = "GET") -> None:
    response = Client(app, token).open(method, path)
    assert problem(response)[0] == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_signed_and_complete_token_is_accepted(app: Flask, ada: Client) -> None:
    forged = jwt.encode(claims_of(ada.token), app.config["SECRET_KEY"], "HS256")
    assert Client(app, forged).get("/users/me").status_code == 200


@every_database
@pytest.mark.parametrize("change", CLAIMS.values(), ids=CLAIMS)
def test_a_token_with_invalid_claims_is_refused(app: Flask, ada: Client, change: Callable[[Claims], Claims]) -> None:
    account = {"email": "bob@example.org", "password": PASSWORD, "name": "Bob"}
    assert ada.post("/auth/signup", json=account).status_code == 201
    claims = change(claims_of(ada.token))
    # PyJWT refuses to encode some of these.
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), app.config["SECRET_KEY"], "HS256")
    assert_unauthenticated(app, signed)
    assert ada.get("/users/me").status_code == 200


def test_a_token_of_another_key_or_algorithm_is_refused(app: Flask, ada: Client) -> None:
    claims, key = claims_of(ada.token), app.config["SECRET_KEY"]
    header, payload, signature = (ada.token or "").split(".")
    for forged in [
        jwt.encode(claims, "x" * 64, "HS256"),
        jwt.encode(claims, key, "HS384"),
        jwt.encode(claims, "", "none"),
        f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{payload}.{signature}",
        f"{encoded({'alg': 'None'})}.{payload}.",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{encoded(claims | {'sub': '1'})}.{signature}",
        f"{header}.{payload}.{signature[::-1]}",
    ]:
        assert_unauthenticated(app, forged)


@pytest.mark.parametrize("token", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_as_a_token(app: Flask, token: str) -> None:
    response = Client(app).get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert problem(response)[0] == 401


@pytest.mark.parametrize("value", ["", "Bearer", "Basic YTpi", "Basic \xff", "Digest a=b", "bearer a b c", "{}"])
def test_other_authorization_headers_are_refused(app: Flask, value: str) -> None:
    assert problem(Client(app).get("/users/me", headers={"Authorization": value}))[0] == 401


@every_database
def test_access_and_refresh_tokens_are_not_interchangeable(app: Flask, ada: Client) -> None:
    assert_unauthenticated(app, ada.refresh_token or "")
    assert_unauthenticated(app, ada.token or "", "/auth/refresh", "POST")


@every_database
@pytest.mark.parametrize("jti", [None, 5, "", "0" * 32], ids=str)
def test_a_refresh_token_with_another_id_is_refused(app: Flask, ada: Client, jti: Any) -> None:
    claims = claims_of(ada.refresh_token) | {"jti": jti}
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), app.config["SECRET_KEY"], "HS256")
    assert_unauthenticated(app, signed, "/auth/refresh", "POST")
