"""Logging to stdout as an event stream (factor XI). Each line names the request and the job that caused it."""

import logging
import logging.config
import sys
from ipaddress import ip_address
from typing import Any, cast

import ecs_logging

from app.core.observability.redaction import redact, redact_fields
from app.core.observability.request_ids import job_id, request_id
from app.core.settings import Settings

# Attributes that Python, Celery and gunicorn add to log records, and that the Elastic Common Schema lacks.
NOT_IN_ECS = ("taskName", "data", "metric", "mtype", "value")


class AddContext(logging.Filter):
    """Adds ECS fields to each record: the request, the job, and the fields of gunicorn's access lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        job = job_id()
        # A string: labels are keywords in ECS, and Elasticsearch takes their type from the first value.
        fields: dict[str, Any] = {"http.request.id": request_id(), "labels.job_id": job and str(job)}
        if record.name == "gunicorn.access" and isinstance(record.args, dict):
            fields |= _access_fields(record.args)
            # Leave out the query string: people paste secrets into it.
            record.msg, record.args = "%s %s %s", (record.args["m"], record.args["U"], record.args["s"])
        record.__dict__.update({name: value for name, value in fields.items() if value not in (None, "", "-")})
        return True


def _access_fields(atoms: dict[str, Any]) -> dict[str, Any]:
    """Translate gunicorn's access log atoms to ECS field names. A dash means no value."""
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
    """Return a valid IP address, else None: Elasticsearch rejects events with anything else."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)  # IPv6 sockets report IPv4 clients as ::ffff:…


class EcsFormatter(ecs_logging.StdlibFormatter):
    """Writes one JSON object per line, in the Elastic Common Schema."""

    def __init__(self, release: str) -> None:
        super().__init__(
            extra={"service.name": "barah", "service.version": release},
            exclude_fields=["log.original", "log.origin", "process.thread", *NOT_IN_ECS],
        )

    def format_to_ecs(self, record: logging.LogRecord) -> dict[str, Any]:
        # Mask each field separately: in the finished line, a mask could span quotes and break the JSON.
        return cast(dict[str, Any], redact_fields(super().format_to_ecs(record)))


class ConsoleFormatter(logging.Formatter):
    """Writes one readable line."""

    default_msec_format = "%s.%03d"

    def __init__(self, *, with_time: bool = True) -> None:
        time = "%(asctime)s " if with_time else ""
        super().__init__(f"{time}%(levelname)-7s %(name)s: %(message)s%(cause)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        causes = (("request", "http.request.id"), ("job", "labels.job_id"))
        known = [f"{name}={record.__dict__[key]}" for name, key in causes if key in record.__dict__]
        record.cause = f"  [{' '.join(known)}]" if known else ""
        return redact(super().format(record))


def logging_config(settings: Settings, handler: str = "logging.StreamHandler") -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`, shared with gunicorn and Celery: everything to stdout."""
    formatters = {
        "json": {"()": EcsFormatter, "release": settings.release},
        "console": {"()": ConsoleFormatter, "with_time": not settings.honcho_process_name},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": AddContext}},
        "formatters": formatters,
        "handlers": {
            "stdout": {
                "class": handler,
                "stream": "ext://sys.stdout",
                "formatter": settings.log_format,
                "filters": ["context"],
            }
        },
        "root": {"level": settings.log_level, "handlers": ["stdout"]},
        "loggers": {
            # Configured by name, because a buildpack's GUNICORN_CMD_ARGS would otherwise choose their handlers.
            "gunicorn.access": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
            "gunicorn.error": {"level": settings.log_level, "handlers": ["stdout"], "propagate": False},
            # billiard's logger does not propagate: without a handler, its lines go to stderr unformatted.
            "multiprocessing": {"level": "WARNING", "handlers": ["stdout"], "propagate": False},
            # Their lines about tasks have no request id. app.jobs logs the same events with ids.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
        },
    }


def configure_logging(settings: Settings, handler: str = "logging.StreamHandler") -> None:
    """Send the logs, warnings and uncaught errors of this process to stdout.

    Args:
        settings: The configuration.
        handler: The dotted name of the handler class that writes them.
    """
    logging.config.dictConfig(logging_config(settings, handler))
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _log_uncaught(*error: Any) -> None:
    if hasattr(sys, "ps1"):  # an interactive prompt
        sys.__excepthook__(*error)
    else:
        logging.getLogger(__name__).critical("uncaught error", exc_info=error)
