"""What `flask doctor` looks at: whatever would make a deploy fail, or unsafe, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from flask import current_app

from app.core.connections import connections_granted, connections_needed
from app.core.database import reading
from app.core.extensions import db
from app.core.heartbeat import live_workers
from app.core.logging import redact
from app.core.settings import Settings
from app.health import service


@dataclass(frozen=True)
class Finding:
    """What one check has found, and what to do if it is not well."""

    check: str
    well: bool
    said: str


class Fault(Exception):
    """A check's finding that must not be released."""


def _configuration() -> str:
    settings = _settings()  # of a malformed one nothing would have started, not even this
    return f"release {settings.release}; the secret has {len(settings.secret_key.get_secret_value())} characters"


def _debug() -> str:
    if current_app.debug:
        raise Fault("debug is on: any error would show its innards, and let visitors run code")
    return "off"


def _origins() -> str:
    if "*" in _settings().cors_origins:
        raise Fault("CORS_ORIGINS is *: the pages of any site may read answers")
    return ", ".join(_settings().cors_origins) or "no origin is let in"


def _database() -> str:
    service.check_database()
    return f"{db.engine.dialect.name} answers"


def _connections() -> str:
    needed = connections_needed(_settings())
    with reading(db.engine) as connection:
        granted = connections_granted(connection)
    if granted is not None and needed > granted:
        raise Fault(f"one web, one worker and a one-off process need {needed}, the server grants {granted}")
    return f"{needed} needed, {'any number' if granted is None else granted} granted"


def _migrations() -> str:
    service.check_migrations()
    return "the schema fits the code"


def _broker() -> str:
    service.check_broker()
    return "takes messages"


def _worker() -> str:
    releases = live_workers()
    if not releases:
        raise Fault("none was seen lately: jobs are accepted, and wait")
    return f"{len(releases)} live, of release {', '.join(sorted(set(releases)))}"


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings


@dataclass(frozen=True)
class Check:
    """Something to look at: `look` says what is well, or raises; `remedy` is what to do then."""

    name: str
    look: Callable[[], str]
    remedy: str
    needs: str = ""  # another check, without which this one can say nothing


BEFORE_RELEASE = (
    Check("configuration", _configuration, "see .env.example"),
    Check("debug", _debug, "unset FLASK_DEBUG"),
    Check("origins", _origins, "name the origins of your own pages"),
    Check("database", _database, "check DATABASE_URL, and that the server runs and lets this host in"),
    Check(
        "connections",
        _connections,
        "lower WEB_CONCURRENCY, WEB_THREADS or WORKER_CONCURRENCY, or take a larger plan",
        needs="database",
    ),
    Check("broker", _broker, "check BROKER_URL, and that the server runs and lets this host in"),
)
AFTER_RELEASE = (
    Check("migrations", _migrations, "run: flask db upgrade", needs="database"),
    Check("worker", _worker, "start one: the Procfile's `worker`", needs="database"),
)


def diagnose(checks: Iterable[Check]) -> Iterator[Finding]:
    """Make the checks, one after the other; whatever a check raises is its finding."""
    failed = set()
    for check in checks:
        if check.needs in failed:
            yield Finding(check.name, well=False, said=f"not known without the {check.needs}")
            continue
        try:
            yield Finding(check.name, well=True, said=check.look())
        except Exception as error:  # noqa: BLE001  # every driver raises its own
            failed.add(check.name)
            reason, *_ = str(error).splitlines() or [repr(error)]
            yield Finding(check.name, well=False, said=f"{redact(reason)}; {check.remedy}")
