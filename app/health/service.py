"""Readiness: whether the backing services respond, each checked with a time limit."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock

from flask import Flask, current_app
from sqlalchemy import text

from app.core.broker.publisher import Publisher
from app.core.database import check_schema, db, read_connection

PROBE_TIMEOUT = 1.5  # seconds; `/readyz` promises a response within two

logger = logging.getLogger(__name__)
_threads = ThreadPoolExecutor(max_workers=6, thread_name_prefix="readiness")
_lock = Lock()


def readiness() -> dict[str, bool]:
    """Check the database, the schema and the broker in parallel. A check that takes too long has failed.

    Simultaneous requests share the running checks: each check of a broker opens a connection or two, and many visitors
    could use up all connections of a small plan.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with _lock:
        checks = {name: _start(app, name, check) for name, check in CHECKS.items()}
    wait(checks.values(), timeout=PROBE_TIMEOUT)
    return {name: _passed(name, check) for name, check in checks.items()}


def _start(app: Flask, name: str, check: Callable[[], None]) -> Future[None]:
    running: dict[str, Future[None]] = app.extensions.setdefault("readiness", {})
    if name not in running or running[name].done():
        running[name] = _threads.submit(_in_context, app, check)
    return running[name]


def _in_context(app: Flask, check: Callable[[], None]) -> None:
    with app.app_context():
        check()


def _passed(name: str, check: Future[None]) -> bool:
    if not check.done():
        logger.warning("not ready: %s did not respond within %s s", name, PROBE_TIMEOUT)
        return False
    if error := check.exception():
        logger.warning("not ready: %s: %s", name, error)
        return False
    return True


def check_database() -> None:
    """Raise an error unless the database responds."""
    with read_connection(db.engine) as connection:
        connection.execute(text("SELECT 1"))


def check_broker() -> None:
    """Raise an error unless the broker accepts a message."""
    publisher: Publisher = current_app.extensions["publisher"]
    publisher.check()


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "migrations": check_schema,
    "broker": check_broker,
}
