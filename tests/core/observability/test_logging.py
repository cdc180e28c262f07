"""Logs: one event a line on stdout, with what caused it, and without secrets."""

import json
import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import insert, update

from app.books import service as books
from app.core.database import db
from app.core.observability import caused_by, redact
from app.core.observability.logging import AddContext, ConsoleFormatter, EcsFormatter
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client, book
from tests.support.environment import BIN, LIBRARIES, ROOT, free_port, wait_for

Lines = Callable[[], list[str]]
REQUEST_ID = "0123456789abcdef-router"


def capture(formatter: logging.Formatter) -> Iterator[Lines]:
    """Read what the root logger's handler would write."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(AddContext())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield lambda: stream.getvalue().splitlines()
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def json_lines() -> Iterator[Lines]:
    """What JSON logs hold."""
    yield from capture(EcsFormatter("v42"))


@pytest.fixture
def console_lines() -> Iterator[Lines]:
    """What console logs hold."""
    yield from capture(ConsoleFormatter())


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """A complete environment on embedded services."""
    return {
        **LIBRARIES,
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{folder}/app.db",
        "BROKER_URL": f"sqla+sqlite:///{folder}/broker.db",
        "SECRET_KEY": secrets.token_hex(32),
    } | variables


# --- The events -------------------------------------------------------------------------------------------------------


def test_an_event_is_one_json_object_in_the_elastic_common_schema(json_lines: Lines) -> None:
    with caused_by(REQUEST_ID, 42):
        logging.getLogger("app.test").warning("two\nlines of %s", "text")
    (line,) = json_lines()
    event = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("@timestamp"))
    process = event.pop("process")
    assert process["pid"] == os.getpid()
    assert event == {
        "log.level": "warning",
        "message": "two\nlines of text",
        "ecs.version": event["ecs.version"],
        "http": {"request": {"id": REQUEST_ID}},
        "labels": {"job_id": "42"},
        "log": {"logger": "app.test"},
        "service": {"name": "barah", "version": "v42"},
    }


def test_an_event_outside_a_request_names_no_request_and_no_job(json_lines: Lines) -> None:
    logging.getLogger("app.test").info("started")
    assert not {"http", "labels"} & set(json.loads(json_lines()[0]))


def test_an_exception_is_one_line_with_type_message_and_trace(json_lines: Lines) -> None:
    try:
        raise LookupError("first\nsecond")
    except LookupError:
        logging.getLogger("app.test").exception("broke off")
    (line,) = json_lines()
    error = json.loads(line)["error"]
    assert (error["type"], error["message"]) == ("LookupError", "first\nsecond")
    assert "test_logging.py" in error["stack_trace"]


@pytest.mark.parametrize("message", ["\x00\x1b[31m\r\n\u2028", 'quotes " and \\ slashes', "\ud800", "📚"])
def test_any_message_stays_one_json_object_on_one_line(json_lines: Lines, message: str) -> None:
    logging.getLogger("app.test").info("%s", message)
    (line,) = json_lines()
    assert json.loads(line)["message"] == message


def test_client_data_that_looks_like_a_password_does_not_break_the_line(json_lines: Lines) -> None:
    logging.getLogger("app.test").info("/x://a:b", extra={"user_agent.original": "me@home", "url.path": "password="})
    event = json.loads(json_lines()[0])
    assert (event["message"], event["user_agent"]["original"]) == ("/x://a:b", "me@home")


def test_console_lines_show_time_level_logger_message_and_context(console_lines: Lines) -> None:
    with caused_by(REQUEST_ID, 42):
        logging.getLogger("app.test").info("done")
    logging.getLogger("app.test").error("alone")
    first, second = console_lines()
    assert re.fullmatch(rf"\d\d:\d\d:\d\d INFO    app\.test: done  \[request={REQUEST_ID} job=42\]", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR   app\.test: alone", second)


def test_nested_contexts_do_not_mix(json_lines: Lines) -> None:
    logger = logging.getLogger("app.test")
    with caused_by("outer-0123456789abcdef", 1):
        with caused_by(None, 2):
            logger.info("inside")
        logger.info("outside")
    inside, outside = map(json.loads, json_lines())
    assert (inside["labels"]["job_id"], "http" in inside) == ("2", False)
    assert (outside["labels"]["job_id"], outside["http"]["request"]["id"]) == ("1", "outer-0123456789abcdef")


# --- Secrets ----------------------------------------------------------------------------------------------------------

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
        "12:30:45 INFO app: 200 GET /api/v1/books",
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

    monkeypatch.setattr(books, "create", fail)
    answer = ada.post("/books", json=book())
    assert answer.status_code == 500
    (event,) = [event for line in json_lines() if (event := json.loads(line))["log.level"] == "error"]
    assert event["http"]["request"]["id"] == answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert "IntegrityError" in event["error"]["type"]
    assert "hunter2" not in json.dumps(event)
    assert "ada@example.org" not in json.dumps(event)


@every_database
def test_a_row_quoted_by_the_server_is_not_logged(
    ada: Client, monkeypatch: pytest.MonkeyPatch, json_lines: Lines
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        db.session.execute(update(User).values(name=None))

    monkeypatch.setattr(books, "create", fail)
    ada.post("/books", json=book())
    assert any('"error"' in line for line in json_lines())
    assert "ada@example.org" not in "\n".join(json_lines())


# --- The processes ----------------------------------------------------------------------------------------------------


SCRIPT = """
import logging, warnings
from app import create_app
create_app()
logging.getLogger("app.test").warning("a line")
warnings.warn("take care", stacklevel=1)
logging.getLogger("sqlalchemy").error("of a library")
"""


@pytest.mark.parametrize("format", ["json", "console"])
def test_logs_and_warnings_go_to_stdout_and_nothing_to_stderr(tmp_path: Path, format: str) -> None:
    command = [sys.executable, "-c", SCRIPT]
    env = environment(tmp_path, LOG_FORMAT=format)
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert process.stderr == ""
    assert [word in process.stdout for word in ("a line", "take care", "of a library")] == [True] * 3


def test_the_log_level_filters_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT]
    env = environment(tmp_path, LOG_LEVEL="error")
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    (line,) = process.stdout.splitlines()
    assert json.loads(line)["message"] == "of a library"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """The events of a gunicorn that has answered some requests, and its stderr. Heroku's GUNICORN_CMD_ARGS is set."""
    folder, port = tmp_path_factory.mktemp("web"), free_port()
    command = [str(BIN / "gunicorn"), "--config", "gunicorn.conf.py"]
    heroku = {"PORT": str(port), "WEB_CONCURRENCY": "1", "GUNICORN_CMD_ARGS": "--access-logfile -"}
    env = environment(folder, **heroku)
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for("gunicorn listens", lambda: listens(port))
            root = f"http://127.0.0.1:{port}"
            headers = {"X-Request-ID": REQUEST_ID, "User-Agent": 'curl "8"', "Authorization": "Bearer hunter2"}
            requests.get(f"{root}/healthz?token=hunter2&x=1", headers=headers, timeout=10)
            requests.post(f"{root}/api/v1/auth/login", json={"password": "hunter2"}, timeout=10)
            requests.get(f"{root}/nowhere/x://a:b%0A%22%7B", headers={"User-Agent": "me@home"}, timeout=10)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(b"GET /healthz\r\nnot HTTP\r\n\r\n")
                connection.recv(1000)
        finally:
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=30)
    return [json.loads(line) for line in output.splitlines()], errors


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def access(web: tuple[list[dict[str, Any]], str], path: str) -> dict[str, Any]:
    """The access line of the request for a path."""
    lines = [event for event in web[0] if event["log"]["logger"] == "gunicorn.access"]
    (line,) = [line for line in lines if line["url"]["path"].startswith(path)]
    return line


def test_an_access_line_describes_request_and_response(web: tuple[list[dict[str, Any]], str]) -> None:
    line = access(web, "/healthz")
    assert line["message"] == "GET /healthz 200"
    assert line["http"]["request"] == {"id": REQUEST_ID, "method": "GET"}
    assert line["http"]["response"]["status_code"] == 200
    assert line["http"]["response"]["body"]["bytes"] > 0
    assert line["url"] == {"path": "/healthz"}
    assert 0 < line["event"]["duration"] < 10**10
    assert line["source"]["ip"] == "127.0.0.1"
    assert "curl" in line["user_agent"]["original"]


def test_an_access_line_contains_the_generated_request_id(
    web: tuple[list[dict[str, Any]], str],
) -> None:
    assert re.fullmatch("[0-9a-f]{32}", access(web, "/api/v1/auth/login")["http"]["request"]["id"])


def test_an_odd_path_does_not_break_its_line(web: tuple[list[dict[str, Any]], str]) -> None:
    line = access(web, "/nowhere")
    assert (line["http"]["response"]["status_code"], line["user_agent"]["original"]) == (404, "me@home")


def test_gunicorn_logs_json_to_stdout_without_secrets(web: tuple[list[dict[str, Any]], str]) -> None:
    events, errors = web  # each line of stdout could be parsed
    assert errors == ""
    assert {"gunicorn.access", "gunicorn.error"} <= {event["log"]["logger"] for event in events}
    assert "hunter2" not in json.dumps(events)


TALKING_OVER = """
import logging, signal
from app.worker import log_what_celery_says
signal.signal(signal.SIGUSR1, lambda *_: log_what_celery_says("a signal came"))
for number in range(3000):
    logging.getLogger("app.test").info("%s", "x" * 1000)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
"""


def test_celery_messages_in_signal_handlers_do_not_break_lines(tmp_path: Path) -> None:
    """Most of the time, this process waits in the middle of a line for its reader, and a signal comes just then."""
    command, errors = [sys.executable, "-c", TALKING_OVER], tmp_path / "errors"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=stderr
        ) as process,
    ):
        assert process.stdout is not None
        output = b""
        while part := os.read(process.stdout.fileno(), 16 * 1024):
            output += part
            process.send_signal(signal.SIGUSR1)
    assert errors.read_text() == ""
    assert process.returncode == 0
    messages = [json.loads(line)["message"] for line in output.splitlines()]
    assert len(messages) > 3010
    assert set(messages) == {"x" * 1000, "a signal came"}


def test_an_error_that_ends_a_process_is_logged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from app import create_app; create_app(); raise LookupError('password=hunter2')"]
    process = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False)
    event = json.loads(process.stdout)
    assert (process.returncode, process.stderr) == (1, "")
    assert (event["log.level"], event["error"]["type"]) == ("critical", "LookupError")
    assert "hunter2" not in process.stdout


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("192.0.2.1:4711", None),
        ("", None),
    ],
)
def test_an_access_line_has_a_valid_address_or_none(peer: str, shown: str | None) -> None:
    """What a proxy says of the client need not be one."""
    atoms = dict.fromkeys(("m", "U", "a", "{x-request-id}o"), "-") | {"s": "200", "B": 1, "D": 1, "h": peer}
    record = logging.LogRecord("gunicorn.access", logging.INFO, "", 1, "-", (atoms,), None)
    AddContext().filter(record)
    event = json.loads(EcsFormatter("v42").format(record))
    assert event.get("source") == (shown and {"ip": shown})
    assert not {"user_agent", "url"} & set(event)
