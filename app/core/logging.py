"""Logs: an event stream on stdout (factor XI), each line with the request and the job that caused it."""

import logging
import logging.config
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any, cast
from uuid import uuid4

import ecs_logging
from flask import Flask, Response, request

from app.core.settings import Settings

REQUEST_ID_HEADER = "X-Request-ID"
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{20,200}")
REDACTIONS = (
    (re.compile(r"(://[^\s:/@]*:)[^\s/?#]+@"), r"\1***@"),  # the password of a URL
    (re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),  # a JSON Web Token
    (re.compile(r"\$argon2\w*\$[^\s\"']+"), "***"),  # a password's hash
    (re.compile(r"(?m)(\bDETAIL: +|Duplicate entry ').+?(?=' for key|$)"), r"\1***"),  # rows, as servers quote them
    (re.compile(r"(?i)(authorization\W{1,6}(?:basic |bearer )?)[^\s\"'\\,]+"), r"\1***"),
    (
        re.compile(
            r"""(?ix) ( (?:password|passwd|secret|token|api[_-]?key) (?:[_-]\w{1,40})? \\?["']? \s*[=:]\s* \\?["']? )
            (?: (?<=\\") (?:(?!\\").)+ | (?<=") (?:\\.|[^"\\])+ | (?<=') (?:\\.|[^'\\])+ | [^\s"'\\,;&}]+ )"""
        ),
        r"\1***",
    ),
)
NOT_IN_THE_SCHEMA = ("taskName", "data", "metric", "mtype", "value")  # what Python, Celery and gunicorn add to records

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_job_id: ContextVar[int | None] = ContextVar("job_id", default=None)


def request_id() -> str | None:
    """The id of the request being answered, or of the one that caused the work at hand."""
    return _request_id.get()


@contextmanager
def caused_by(request: str | None, job: int) -> Iterator[None]:
    """Mark every line logged inside with the request that asked for a job, and with the job."""
    outer = _request_id.set(request), _job_id.set(job)
    try:
        yield
    finally:
        _request_id.reset(outer[0])
        _job_id.reset(outer[1])


def init_request_ids(app: Flask) -> None:
    """Give every request an id, the router's where it sent a safe one, and every answer the same."""

    @app.before_request
    def adopt() -> None:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        _request_id.set(given if SAFE_REQUEST_ID.fullmatch(given) else uuid4().hex)

    @app.after_request
    def show(response: Response) -> Response:
        response.headers[REQUEST_ID_HEADER] = request_id() or ""
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        _request_id.set(None)  # the thread goes on to other work


def redact(text: str) -> str:
    """Mask whatever looks like a password or a token."""
    for pattern, replacement in REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def _redact_fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _redact_fields(field) for name, field in value.items()}
    return redact(value) if isinstance(value, str) else value


class AddContext(logging.Filter):
    """Puts ECS fields on each record: the request, the job, and for gunicorn's access lines what they say."""

    def filter(self, record: logging.LogRecord) -> bool:
        job = _job_id.get()
        # As text: ECS has keywords for labels, and Elasticsearch takes their type from the first that it sees.
        fields: dict[str, Any] = {"http.request.id": request_id(), "labels.job_id": job and str(job)}
        if record.name == "gunicorn.access" and isinstance(record.args, dict):
            fields |= _access_fields(record.args)
            # The query is left out: people paste secrets into it.
            record.msg, record.args = "%s %s %s", (record.args["m"], record.args["U"], record.args["s"])
        record.__dict__.update({name: value for name, value in fields.items() if value not in (None, "", "-")})
        return True


def _access_fields(atoms: dict[str, Any]) -> dict[str, Any]:
    """Name gunicorn's access log atoms in the Elastic Common Schema, where a dash stands for nothing."""
    return {
        "http.request.id": atoms["{x-request-id}o"],
        "http.request.method": atoms["m"],
        "url.path": atoms["U"],
        "http.response.status_code": int(atoms["s"]),
        "http.response.body.bytes": atoms["B"],
        "event.duration": int(atoms["D"]) * 1000,  # ECS counts nanoseconds, gunicorn microseconds
        "source.ip": _ip(atoms["h"]),
        "user_agent.original": atoms["a"],
    }


def _ip(address: str) -> str | None:
    """The address, if it is one: Elasticsearch takes no event with another, and proxies send what they like."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)  # IPv4, as an IPv6 socket shows it


class EcsFormatter(ecs_logging.StdlibFormatter):
    """One JSON object a line, in the Elastic Common Schema."""

    def __init__(self, release: str) -> None:
        super().__init__(
            extra={"service.name": "barah", "service.version": release},
            exclude_fields=["log.original", "log.origin", "process.thread", *NOT_IN_THE_SCHEMA],
        )

    def format_to_ecs(self, record: logging.LogRecord) -> dict[str, Any]:
        # Each field by itself: in the finished line, a mask could reach across quotes and break the JSON.
        return cast(dict[str, Any], _redact_fields(super().format_to_ecs(record)))


class ConsoleFormatter(logging.Formatter):
    """A line for people."""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s%(cause)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        causes = (("request", "http.request.id"), ("job", "labels.job_id"))
        known = [f"{name}={record.__dict__[key]}" for name, key in causes if key in record.__dict__]
        record.cause = f"  [{' '.join(known)}]" if known else ""
        return redact(super().format(record))


def logging_config(settings: Settings) -> dict[str, Any]:
    """Everything to stdout, for `logging.config.dictConfig`; gunicorn and Celery are given the same."""
    formatters = {
        "json": {"()": EcsFormatter, "release": settings.release},
        "console": {"()": ConsoleFormatter},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": AddContext}},
        "formatters": formatters,
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": settings.log_format,
                "filters": ["context"],
            }
        },
        "root": {"level": settings.log_level, "handlers": ["stdout"]},
        "loggers": {
            # Named, because a buildpack's GUNICORN_CMD_ARGS would otherwise choose their handlers.
            "gunicorn.access": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
            "gunicorn.error": {"level": settings.log_level, "handlers": ["stdout"], "propagate": False},
            # billiard's, which passes nothing on: without a handler its lines would go to stderr, as they are.
            "multiprocessing": {"level": "WARNING", "handlers": ["stdout"], "propagate": False},
            # Their lines about tasks know no request; app.jobs says the same with its ids.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
        },
    }


def configure_logging(settings: Settings) -> None:
    """Send every log line and warning of this process to stdout, and the error that ends it, too."""
    logging.config.dictConfig(logging_config(settings))
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _log_uncaught(*error: Any) -> None:
    if hasattr(sys, "ps1"):  # somebody sits at a prompt, and reads
        sys.__excepthook__(*error)
    else:
        logging.getLogger(__name__).critical("uncaught error", exc_info=error)
