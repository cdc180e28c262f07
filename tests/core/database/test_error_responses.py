"""Errors of the database in responses and logs: those that may pass answer 503, all others 500."""

import logging

import pytest
from flask import Flask
from sqlalchemy import Executable, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.database import db, rollback
from app.core.observability.redaction import redact
from app.users import service as users
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client

VALUE = "hunter2"


@every_database
def test_a_mistake_answers_500_and_logs_a_traceback(
    ada: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(users, "get", lambda _: db.session.execute(text("SELECT missing FROM users")))
    response = ada.get("/users/me")
    assert (response.status_code, "missing" in response.text) == (500, False)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info


@every_database
def test_an_error_that_may_pass_answers_503_and_logs_a_warning(
    ada: Client, app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> None:
        raise PoolTimeout("QueuePool limit reached")

    monkeypatch.setattr(users, "get", fail)
    response = ada.get("/users/me")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert [record.levelno for record in caplog.records if "QueuePool" in record.getMessage()] == [logging.WARNING]


STATEMENTS_WITH_INVALID_VALUES = {
    "postgresql": ["SELECT CAST(:value AS integer)", "SELECT CAST(:value AS timestamptz)"],
    "mysql": ["UPDATE users SET id = :value", "UPDATE users SET created_at = :value", "SELECT 1 + ) :value"],
    "sqlite": ["SELECT 1 + ) :value"],
}


@every_database
def test_logged_errors_contain_no_values(app: Flask) -> None:
    duplicate = insert(User).values(email=VALUE, name="", password_hash="", role="", email_verified=False, active=True)
    with app.app_context():
        db.session.execute(duplicate)
        invalid = [
            text(each).bindparams(value=VALUE) for each in STATEMENTS_WITH_INVALID_VALUES[db.engine.dialect.name]
        ]
        statements: list[Executable] = [duplicate, *invalid]
        for statement in statements:
            with pytest.raises(DBAPIError) as raised, db.session.begin_nested():
                db.session.execute(statement)
            assert VALUE not in redact(str(raised.value))
        rollback()
