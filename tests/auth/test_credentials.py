"""The `Authorization` header (RFC 9110, section 11; RFC 6750), and claims that only the key's owner could sign."""

import json

import jwt
import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client, problem

IDS = {"NUL": "\0", "NUL at the end": "0" * 31 + "\0", "a lone surrogate": "\ud800", "a long text": "0" * 10_000}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "bearer  "])
def test_the_scheme_ignores_case(app: Flask, ada: Client, scheme: str) -> None:
    response = Client(app).get("/users/me", headers={"Authorization": f"{scheme} {ada.token}"})
    assert (response.status_code, response.json["email"]) == (200, "ada@example.org")


@pytest.mark.parametrize("value", ["bearer", "bearer ", "bearer\t{}", "bearers {}", "token {}", "{}", "bearer {} {}"])
def test_another_scheme_is_refused(app: Flask, ada: Client, value: str) -> None:
    headers = {"Authorization": value.replace("{}", ada.token or "")}
    assert problem(Client(app).get("/users/me", headers=headers))[0] == 401


@every_database
@pytest.mark.parametrize("value", IDS.values(), ids=IDS)
@pytest.mark.parametrize(("kind", "claim"), [("access", "sid"), ("refresh", "sid"), ("refresh", "jti")])
def test_a_signed_id_of_another_form_is_refused(app: Flask, ada: Client, kind: str, claim: str, value: str) -> None:
    token = ada.token if kind == "access" else ada.refresh_token
    claims = jwt.decode(token or "", options={"verify_signature": False}) | {claim: value}
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), app.config["SECRET_KEY"], "HS256")
    method, path = ("GET", "/users/me") if kind == "access" else ("POST", "/auth/refresh")
    response = Client(app, signed).open(method, path)
    assert problem(response)[0] == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
