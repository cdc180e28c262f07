"""Log lines: one event per line, with its request and its job."""

import json
import logging
import os
import re

import pytest

from app.core.observability import caused_by
from app.core.observability.logging import AddContext, ConsoleFormatter, EcsFormatter
from tests.core.observability.conftest import Lines

REQUEST_ID = "0123456789abcdef-router"


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
    assert "test_log_lines.py" in error["stack_trace"]


@pytest.mark.parametrize(
    "message",
    ["\x00\x1b[31m\r\n\u2028", 'quotes " and \\ slashes', "\ud800", "📚"],
    ids=["control characters", "quotes and slashes", "lone surrogate", "emoji"],
)
def test_any_message_stays_one_json_object_on_one_line(message: str) -> None:
    record = logging.LogRecord("app.test", logging.INFO, "", 1, "%s", (message,), None)  # pytest would capture a log
    AddContext().filter(record)
    (line,) = EcsFormatter("v42").format(record).splitlines()
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
    """A proxy may send any text as the client's address."""
    atoms = dict.fromkeys(("m", "U", "a", "{x-request-id}o"), "-") | {"s": "200", "B": 1, "D": 1, "h": peer}
    record = logging.LogRecord("gunicorn.access", logging.INFO, "", 1, "-", (atoms,), None)
    AddContext().filter(record)
    event = json.loads(EcsFormatter("v42").format(record))
    assert event.get("source") == (shown and {"ip": shown})
    assert not {"user_agent", "url"} & set(event)


def test_under_honcho_console_lines_have_no_time_of_their_own() -> None:
    record = logging.makeLogRecord({"msg": "ready", "levelname": "INFO", "name": "app"})
    alone, under_honcho = (ConsoleFormatter(with_time=with_time).format(record) for with_time in (True, False))
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    app: ready", alone)
    assert under_honcho == "INFO    app: ready"
