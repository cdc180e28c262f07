"""The checks of `flask doctor`: everything that would make a deploy fail or unsafe, and what to do about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import current_app

from app.core import checks
from app.core.checks import Check, CheckFailed, doctor_check
from app.core.database import check_schema, db, read_connection
from app.core.database.connections import connections_granted, connections_needed
from app.core.observability import redact
from app.core.settings import current_settings
from app.health import service


@dataclass(frozen=True)
class Finding:
    """The result of one check, and what to do if it failed."""

    check: str
    ok: bool
    message: str


@doctor_check("configuration", remedy="see .env.example")
def _configuration() -> str:
    settings = current_settings()  # with an invalid one, not even this command would start
    return f"release {settings.release}; the secret has {len(settings.secret_key.get_secret_value())} characters"


@doctor_check("debug", remedy="unset FLASK_DEBUG")
def _debug() -> str:
    if current_app.debug:
        raise CheckFailed("debug is on: errors would show internal data and let visitors run code")
    return "off"


@doctor_check("origins", remedy="name the origins of your own pages")
def _origins() -> str:
    origins = current_settings().cors_origins
    if "*" in origins:
        raise CheckFailed("CORS_ORIGINS is *: any site may read responses")
    return ", ".join(origins) or "none allowed"


@doctor_check("database", remedy="check DATABASE_URL, and that the server runs and accepts this host")
def _database() -> str:
    service.check_database()
    return f"{db.engine.dialect.name} responds"


@doctor_check(
    "connections",
    remedy="lower WEB_CONCURRENCY, WEB_THREADS or WORKER_CONCURRENCY, or choose a larger plan",
    needs="database",
)
def _connections() -> str:
    needed = connections_needed(current_settings())
    with read_connection(db.engine) as connection:
        granted = connections_granted(connection)
    if granted is not None and needed > granted:
        raise CheckFailed(f"one web, one worker and a one-off process need {needed}, the server grants {granted}")
    return f"{needed} needed, {'any number' if granted is None else granted} granted"


@doctor_check("broker", remedy="check BROKER_URL, and that the server runs and accepts this host")
def _broker() -> str:
    service.check_broker()
    return "accepts messages"


@doctor_check("migrations", remedy="run: flask db upgrade", needs="database", before_release=False)
def _migrations() -> str:
    check_schema()
    return "all are applied"


def diagnose(*, before_release: bool) -> Iterator[Finding]:
    """Run the checks one after the other.

    Args:
        before_release: Run only the checks that need neither the migrations nor a worker.
    """
    failed: set[str] = set()
    for check in _in_order(checks.registered):
        if check.before_release < before_release:
            continue
        finding = _skip(check) if check.needs in failed else _run(check)
        if not finding.ok:
            failed.add(check.name)
        yield finding


def _in_order(found: Mapping[str, Check]) -> list[Check]:
    """Sort the checks: those before a release first, each after the one that it needs."""

    def depth(check: Check) -> int:
        return 1 + depth(found[check.needs]) if check.needs else 0

    return sorted(found.values(), key=lambda check: (not check.before_release, depth(check)))


def _skip(check: Check) -> Finding:
    return Finding(check.name, ok=False, message=f"unknown without the {check.needs}")


def _run(check: Check) -> Finding:
    try:
        return Finding(check.name, ok=True, message=check.run())
    except Exception as error:  # noqa: BLE001  # each driver raises its own errors
        reason, *_ = str(error).splitlines() or [repr(error)]
        return Finding(check.name, ok=False, message=f"{redact(reason)}; {check.remedy}")
