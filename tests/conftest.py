"""What all tests share: an application on each database, built by the migrations, and clients that speak to it."""

import os
import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from argon2 import PasswordHasher
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select

from app import create_app
from app.core.database import db
from app.core.security import passwords
from app.core.settings import Settings
from app.jobs import runner
from app.jobs.models import Job
from tests.support.clients import Client, sign_up
from tests.support.services import DATABASES, new_broker, new_database

# What an application in a test stands on, where the test does not say.
DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
BROKER = os.environ.get("TEST_BROKER", "embedded")
every_database = pytest.mark.parametrize("database", DATABASES, indirect=True)


def make_settings(database_url: str, broker_url: str, **values: object) -> Settings:
    """Settings as an environment with these values would give them."""
    given: dict[str, object] = {
        "database_url": SecretStr(database_url),
        "broker_url": SecretStr(broker_url),
        "secret_key": SecretStr(secrets.token_hex(32)),
    }
    return Settings.model_validate(given | values)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash passwords in no time: made slow on purpose, they would take up most of a test that has two users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Flask]]:
    """Build an application on a kind of database, once in a run; its schema comes from the migrations."""
    folder: Path = tmp_path_factory.mktemp("databases")
    built: dict[str, Flask] = {}
    with ExitStack() as stack:

        def build(kind: str) -> Flask:
            if kind not in built:
                url = stack.enter_context(new_database(kind, folder))
                app = create_app(make_settings(url, stack.enter_context(new_broker(BROKER, folder))))
                with app.app_context():
                    flask_migrate.upgrade()
                    stack.callback(db.engine.dispose)
                built[kind] = app
            return built[kind]

        yield build


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database under test: SQLite or `TEST_DATABASE`, unless a test is marked with `every_database`."""
    return str(getattr(request, "param", DATABASE))


@pytest.fixture
def app(apps: Callable[[str], Flask], database: str) -> Flask:
    """An application whose tables are empty."""
    app = apps(database)
    with app.app_context():
        for table in reversed(db.metadata.sorted_tables):
            db.session.execute(table.delete())
        db.session.commit()
    return app


@pytest.fixture
def anonymous(app: Flask) -> Client:
    """A client without a token."""
    return Client(app)


@pytest.fixture
def ada(app: Flask) -> Client:
    """A user who is logged in."""
    return sign_up(app, "ada@example.org")


@pytest.fixture
def bob(app: Flask) -> Client:
    """Another user who is logged in."""
    return sign_up(app, "bob@example.org")


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], None]:
    """Do every waiting job, as a worker would."""

    def run() -> None:
        with app.app_context():
            waiting = db.session.scalars(select(Job.id).where(Job.status == "queued").order_by(Job.id)).all()
            db.session.rollback()
            for job_id in waiting:
                runner.run(job_id)

    return run


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape lone surrogates in logs and failures: pytest-xdist cannot send them from a worker process."""
    return _escaped((yield))


def _escaped(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode(errors="backslashreplace").decode()
    if isinstance(data, dict):
        return {key: _escaped(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(_escaped, data))
    return data


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List measurements: recovery times (see `docs/reliability.md`), and how long web takes to be ready."""
    for report in terminalreporter.getreports("passed"):
        for name, value in getattr(report, "user_properties", ()):
            if name == "recovery" and report.when == "call":
                terminalreporter.write_line(f"recovered in {value:5.1f} s: {report.nodeid}")
            if name == "start" and report.when == "call":
                terminalreporter.write_line(str(value))
