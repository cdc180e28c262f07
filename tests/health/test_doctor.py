"""`flask doctor`: its checks and their output."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from app.core.database import db, utcnow
from app.core.database.connections import connections_needed
from app.core.settings import load_settings
from app.jobs import workers
from app.jobs.workers import Heartbeat
from tests.conftest import every_database
from tests.support.environment import service_variables

Doctor = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def doctor(app: Flask) -> Doctor:
    """Run the doctor. Return its exit code and the line of each check."""

    def run(*options: str) -> tuple[int, dict[str, str]]:
        result = app.test_cli_runner().invoke(args=["doctor", *options])
        lines = [line.split(maxsplit=2) for line in result.output.splitlines()]
        return result.exit_code, {check: f"{verdict} {text}" for verdict, check, text in lines}

    return run


def beat(app: Flask, worker: str = "one") -> None:
    with app.app_context():
        workers.beat(worker)


@every_database
def test_every_check_passes_with_a_live_worker(app: Flask, doctor: Doctor) -> None:
    beat(app)
    code, lines = doctor()
    assert code == 0, lines
    assert list(lines) == [
        "configuration", "debug", "origins", "database", "broker", "connections", "migrations", "worker",
    ]  # fmt: skip
    assert all(line.startswith("ok ") for line in lines.values())
    assert "release unnamed" in lines["configuration"]


@every_database
def test_a_worker_without_recent_heartbeats_is_not_live(app: Flask, doctor: Doctor) -> None:
    beat(app)
    beat(app)  # the same worker
    beat(app, "two")
    assert doctor()[1]["worker"] == "ok 2 live, of release unnamed"
    with app.app_context():
        db.session.execute(update(Heartbeat).values(seen_at=utcnow() - timedelta(seconds=21)))
        db.session.commit()
    code, lines = doctor()
    assert (code, lines["worker"].split()[0]) == (1, "FAIL")
    beat(app)
    assert doctor()[0] == 0


def test_heartbeats_of_stopped_workers_are_pruned(app: Flask, doctor: Doctor) -> None:
    beat(app)
    with app.app_context():
        db.session.add(Heartbeat(worker="old", release="v1", seen_at=utcnow() - timedelta(hours=25)))
        db.session.add(Heartbeat(worker="of today", release="v1", seen_at=utcnow() - timedelta(hours=23)))
        db.session.commit()
    assert "1 heartbeats of stopped workers" in app.test_cli_runner().invoke(args=["prune"]).output
    assert doctor()[1]["worker"] == "ok 1 live, of release unnamed"


def test_the_defaults_need_fewer_connections_than_the_smallest_plan_grants(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The smallest plan of Heroku's PostgreSQL grants twenty connections."""
    for name, value in service_variables(f"sqlite:///{tmp_path}/a.db", f"sqla+sqlite:///{tmp_path}/b.db").items():
        monkeypatch.setenv(name, str(value))
    for name in ("WEB_CONCURRENCY", "WEB_THREADS", "WORKER_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    assert connections_needed(load_settings()) <= 20
