"""Redaction: no log line contains a secret."""

import json
import logging
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, update

from app.core.database import db
from app.core.observability import redact
from app.users.models import User
from tests.conftest import every_database
from tests.core.observability.conftest import Lines
from tests.support.clients import Client
from tests.support.factories import note
from tests.support.notes import service as notes

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://ada:hunter2@h/db", "postgres://ada:***@h/db"),
        ("postgres://ada:hunter@2@h/db", "postgres://ada:***@h/db"),
        ("redis://:hunter2@h:6379/0 and amqp://u:hunter%402@h//", "redis://:***@h:6379/0 and amqp://u:***@h//"),
        (f"Bearer {JWT}.", "Bearer ***."),
        (f"{{'token': '{JWT}'}}", "{'token': '***'}"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer ***"),
        ("authorization: Basic aHVudGVyMg==", "authorization: Basic ***"),
        ("{'Authorization': 'Bearer hunter2'}", "{'Authorization': 'Bearer ***'}"),
        ("('Authorization', 'Bearer hunter2')", "('Authorization', 'Bearer ***')"),
        ("password=hunter2&grant_type=password", "password=***&grant_type=password"),
        ("PASSWORD = hunter2, port = 5", "PASSWORD = ***, port = 5"),
        ("SECRET_KEY=hunter2", "SECRET_KEY=***"),
        ("AWS_SECRET_ACCESS_KEY=hunter2", "AWS_SECRET_ACCESS_KEY=***"),
        ("access_token=hunter2", "access_token=***"),
        ("X-Api-Key: hunter2", "X-Api-Key: ***"),
        ("GET /reset?token=hunter2", "GET /reset?token=***"),
        ('{"password": "hunter2", "name": "Ada"}', '{"password": "***", "name": "Ada"}'),
        ('{"new_password":"correct horse hunter2"}', '{"new_password":"***"}'),
        ('{"password": "quote\\" hunter2"}', '{"password": "***"}'),
        (r'"{\"password\": \"horse hunter2\"}"', r'"{\"password\": \"***\"}"'),
        ("{'password': 'horse hunter2'}", "{'password': '***'}"),
        ('{"password": "never closed hunter2', '{"password": "***'),
        ("$argon2id$v=19$m=19456,t=2,p=1$hunter2$hunter2", "***"),
        ("Duplicate entry 'hunter2' for key 'uq_users_email'", "Duplicate entry '***' for key 'uq_users_email'"),
        ("violated\nDETAIL:  Key (email)=(hunter2) exists.\nend", "violated\nDETAIL:  ***\nend"),
    ],
)
def test_secrets_are_masked_and_the_rest_is_unchanged(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "postgres://h:5432/db",
        "https://example.org:443/users?email=ada@example.org",
        "ada@example.org wrote: hello",
        "The password is wrong.",
        "no token was given",
        "3 tokens: enough",
        "the secretary: Ada",
        "eyJust a word. And another. And one more.",
        "12:30:45 INFO app: 200 GET /api/v1/notes",
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("lines", ["json_lines", "console_lines"])
def test_a_multiline_traceback_contains_no_secret(lines: str, request: pytest.FixtureRequest) -> None:
    written: Lines = request.getfixturevalue(lines)
    message = f'cannot reach amqp://u:hunter2@h//\n{{"password": "horse hunter2"}}\nAuthorization: Bearer {JWT}'
    try:
        try:
            raise ConnectionError(message)
        except ConnectionError as error:
            raise RuntimeError("token=hunter2") from error
    except RuntimeError:
        logging.getLogger("app.test").exception("failed with password=%s", "hunter2")
    text = "\n".join(written())
    assert text.count("***") >= 3
    assert "hunter2" not in text
    assert JWT not in text


@every_database
def test_a_database_error_is_logged_without_values(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch, json_lines: Lines
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        row = {"email": "ada@example.org", "name": "hunter2", "password_hash": "hunter2", "role": "user"}
        db.session.execute(insert(User), [row | {"email_verified": True, "active": True}])

    monkeypatch.setattr(notes, "create", fail)
    response = ada.post("/notes", json=note())
    assert response.status_code == 500
    (event,) = [event for line in json_lines() if (event := json.loads(line))["log.level"] == "error"]
    assert event["http"]["request"]["id"] == response.json["request_id"] == response.headers["X-Request-ID"]
    assert "IntegrityError" in event["error"]["type"]
    assert "hunter2" not in json.dumps(event)
    assert "ada@example.org" not in json.dumps(event)


@every_database
def test_a_row_quoted_by_the_server_is_not_logged(
    ada: Client, monkeypatch: pytest.MonkeyPatch, json_lines: Lines
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        db.session.execute(update(User).values(name=None))

    monkeypatch.setattr(notes, "create", fail)
    ada.post("/notes", json=note())
    assert any('"error"' in line for line in json_lines())
    assert "ada@example.org" not in "\n".join(json_lines())
