"""What the doctor finds wrong, and its output before a release."""

import logging
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from app import create_app
from app.core.settings import Settings
from tests.conftest import make_settings
from tests.support.environment import free_port

EVENTS = "app.health.commands"


def change_settings(app: Flask, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    settings: Settings = app.extensions["settings"]
    monkeypatch.setitem(app.extensions, "settings", settings.model_copy(update=changes))


def finding(app: Flask, check: str) -> tuple[str, str]:
    """The verdict and the message of a check."""
    lines = app.test_cli_runner().invoke(args=["doctor"]).output.splitlines()
    ((verdict, _, message),) = [line.split(maxsplit=2) for line in lines if line.split()[1] == check]
    return verdict, message


@pytest.fixture
def without_database(tmp_path: Path) -> Flask:
    """An application whose database does not answer."""
    url = f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/barah"
    return create_app(make_settings(url, f"sqla+sqlite:///{tmp_path}/broker.db"))


def test_debug_fails(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "DEBUG", app.debug)  # the command changes it
    monkeypatch.setenv("FLASK_DEBUG", "1")
    verdict, message = finding(app, "debug")
    assert verdict == "FAIL"
    assert message.endswith("; unset FLASK_DEBUG")


def test_any_origin_fails(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    change_settings(app, monkeypatch, cors_origins=("*",))
    assert finding(app, "origins")[0] == "FAIL"
    change_settings(app, monkeypatch, cors_origins=("https://example.org",))
    assert finding(app, "origins") == ("ok", "https://example.org")


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_more_connections_than_the_server_grants_fail(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    change_settings(app, monkeypatch, web_concurrency=1_000_000)
    verdict, message = finding(app, "connections")
    assert verdict == "FAIL"
    assert "lower WEB_CONCURRENCY" in message


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_limit_of_the_server_does_not_count_behind_a_pooler(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    change_settings(app, monkeypatch, web_concurrency=1_000_000)
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 0)  # a pooler invents the process of a connection
    verdict, message = finding(app, "connections")
    assert verdict == "ok"
    assert message.endswith(" needed, any number granted")


def test_a_check_is_unknown_without_the_one_that_it_needs(without_database: Flask) -> None:
    result = without_database.test_cli_runner().invoke(args=["doctor"])
    lines = {line.split()[1]: line for line in result.output.splitlines()}
    assert result.exit_code == 1
    assert lines["database"].startswith("FAIL")
    assert "check DATABASE_URL" in lines["database"]
    for check, needed in {"connections": "database", "migrations": "database", "worker": "migrations"}.items():
        assert lines[check].startswith("FAIL")
        assert lines[check].endswith(f"unknown without the {needed}")
    assert "hunter2" not in result.output


def test_before_a_release_each_finding_is_an_event_of_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    result = app.test_cli_runner().invoke(args=["doctor", "--release"])
    assert (result.exit_code, result.output) == (0, "")
    events = [record for record in caplog.records if record.name == EVENTS]
    assert {event.levelname for event in events} == {"INFO"}
    checks = [event.message.split(": ")[1] for event in events]
    assert checks == ["configuration", "debug", "origins", "database", "broker", "connections"]


def test_before_a_release_failures_are_errors(without_database: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    result = without_database.test_cli_runner().invoke(args=["doctor", "--release"])
    assert result.exit_code == 1
    levels = {event.message.split(": ")[1]: event.levelname for event in caplog.records if event.name == EVENTS}
    assert [check for check, level in levels.items() if level == "ERROR"] == ["database", "connections"]
    assert levels["broker"] == "INFO"
