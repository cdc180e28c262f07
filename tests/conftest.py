"""Fixtures of all tests: an application on each kind of database, and clients."""

import os
import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from itertools import compress
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from argon2 import PasswordHasher
from flask import Flask
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from sqlalchemy import delete, exists, select, update

from app import FEATURES, create_app
from app.core.broker.publisher import Publisher
from app.core.database import db
from app.core.security import passwords
from app.core.settings import Settings
from app.jobs import runner
from app.jobs import service as jobs
from app.jobs.models import Job
from tests.support import notes
from tests.support.clients import Client
from tests.support.factories import sign_up
from tests.support.notes.models import Note
from tests.support.services import DATABASES, new_broker, new_database

# The services of a test that names none.
DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
BROKER = os.environ.get("TEST_BROKER", "embedded")
PublisherAt = Callable[[str], Publisher]
every_database = pytest.mark.parametrize("database", DATABASES, indirect=True)


hypothesis_settings.register_profile("tests", max_examples=50, deadline=None, database=None)
hypothesis_settings.load_profile("tests")


def make_settings(database_url: str, broker_url: str, **values: object) -> Settings:
    """Valid settings with these values."""
    given: dict[str, object] = {
        "database_url": SecretStr(database_url),
        "broker_url": SecretStr(broker_url),
        "secret_key": SecretStr(secrets.token_hex(32)),
    }
    return Settings.model_validate(given | values)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash passwords with the cheapest parameters. The real ones are slow on purpose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Flask]]:
    """Create an application on a kind of database, once per session and test process.

    The migrations create its schema. The notes are added to it.
    """
    folder: Path = tmp_path_factory.mktemp("databases")
    built: dict[str, Flask] = {}
    with ExitStack() as stack:

        def build(kind: str) -> Flask:
            if kind not in built:
                url = stack.enter_context(new_database(kind, folder))
                settings = make_settings(url, stack.enter_context(new_broker(BROKER, folder)))
                app = create_app(settings, features=(*FEATURES, notes))
                with app.app_context():
                    flask_migrate.upgrade()
                    Note.metadata.create_all(db.engine)
                    stack.callback(db.engine.dispose)
                built[kind] = app
            return built[kind]

        yield build


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database: `TEST_DATABASE`, by default SQLite. `every_database` runs a test on each kind."""
    return str(getattr(request, "param", DATABASE))


@pytest.fixture
def app(apps: Callable[[str], Flask], database: str) -> Flask:
    """An application with empty tables."""
    app = apps(database)
    with app.app_context():
        tables = (Note.__table__, *reversed(db.metadata.sorted_tables))
        with db.engine.begin() as connection:
            filled = connection.execute(select(*(exists(select(table)) for table in tables))).one()
            for table in compress(tables, filled):
                connection.execute(delete(table))
    return app


@pytest.fixture
def anonymous(app: Flask) -> Client:
    """A client without a token."""
    return Client(app)


@pytest.fixture
def ada(app: Flask) -> Client:
    """A logged-in user."""
    return sign_up(app, "ada@example.org")


@pytest.fixture
def bob(app: Flask) -> Client:
    """Another logged-in user."""
    return sign_up(app, "bob@example.org")


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], None]:
    """Run all queued jobs, as a worker would. A pause after an error ends at once."""

    def run() -> None:
        with app.app_context():
            db.session.execute(update(Job).where(Job.status == "queued").values(claim=None))
            db.session.commit()
            queued = db.session.scalars(select(Job.id).where(Job.status == "queued").order_by(Job.id)).all()
            db.session.rollback()
            for job_id in queued:
                runner.run(job_id)

    return run


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the announced jobs, in order. Nothing is sent to the broker."""
    job_ids: list[int] = []
    monkeypatch.setattr(jobs, "publish", lambda _task, job_id: job_ids.append(job_id))
    return job_ids


@pytest.fixture
def publisher_at(tmp_path: Path) -> Iterator[PublisherAt]:
    """Create a new publisher for a broker URL. Its thread must end."""
    with ExitStack() as stack:

        def build(url: str) -> Publisher:
            app = create_app(make_settings(f"sqlite:///{tmp_path}/app.db", url))
            publisher: Publisher = app.extensions["publisher"]
            stack.callback(publisher._thread.shutdown)
            return publisher

        yield build


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
