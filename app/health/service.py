"""Whether this process can do its work: its backing services, each asked briefly."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from threading import Lock

from alembic.script import ScriptDirectory
from flask import Flask, current_app
from sqlalchemy import text

from app.core.celery import Broker
from app.core.database import reading
from app.core.extensions import db
from app.core.urls import ROOT

PATIENCE = 1.5  # seconds; whoever asks wants to hear within two

logger = logging.getLogger(__name__)
_threads = ThreadPoolExecutor(max_workers=6, thread_name_prefix="readiness")
_lock = Lock()


def readiness() -> dict[str, bool]:
    """Ask the database, the schema and the broker, side by side. One that does not answer in time is not ready.

    Whoever comes while one is being asked shares its answer: each question to a broker is a connection or two, and
    visitors would use up all those that a small plan grants.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with _lock:
        answers = {name: _ask(app, name, check) for name, check in CHECKS.items()}
    wait(answers.values(), timeout=PATIENCE)
    return {name: _well(name, answer) for name, answer in answers.items()}


def _ask(app: Flask, name: str, check: Callable[[], None]) -> Future[None]:
    asked: dict[str, Future[None]] = app.extensions.setdefault("readiness", {})
    if name not in asked or asked[name].done():
        asked[name] = _threads.submit(_in_context, app, check)
    return asked[name]


def _in_context(app: Flask, check: Callable[[], None]) -> None:
    with app.app_context():
        check()


def _well(name: str, answer: Future[None]) -> bool:
    if not answer.done():
        logger.warning("not ready: %s does not answer within %s s", name, PATIENCE)
        return False
    if error := answer.exception():
        logger.warning("not ready: %s: %s", name, error)
        return False
    return True


def check_database() -> None:
    """Raise an error unless the database answers."""
    with reading(db.engine) as connection:
        connection.execute(text("SELECT 1"))


def check_migrations() -> None:
    """Raise an error unless the schema is one that this code can work on."""
    with reading(db.engine) as connection:
        current = connection.scalar(text("SELECT version_num FROM alembic_version"))
    head, known = _revisions()
    # A revision that this code does not know is from a newer release, which keeps to what the older one needs.
    if current is None or (current != head and current in known):
        raise RuntimeError(f"the schema is at {current}, the code at {head}: run flask db upgrade")


def check_broker() -> None:
    """Raise an error unless the broker takes a message."""
    broker: Broker = current_app.extensions["broker"]
    broker.check()


@cache
def _revisions() -> tuple[str | None, set[str]]:
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    return scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "migrations": check_migrations,
    "broker": check_broker,
}
