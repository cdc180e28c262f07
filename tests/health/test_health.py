"""`/healthz` and `/readyz`."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Engine, text

from app import create_app
from app.core.database import db
from app.health import service
from tests.conftest import every_database, make_settings
from tests.support.clients import Client, problem
from tests.support.services import new_broker, new_database

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"  # no process listens on port 1
NO_BROKER = "amqp://127.0.0.1:1//"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Create a client of a new application whose database has no schema."""

    def fresh(**settings: str) -> Client:
        urls = {"database_url": f"sqlite:///{tmp_path}/a.db", "broker_url": f"sqla+sqlite:///{tmp_path}/b.db"}
        app = create_app(make_settings(**urls | settings))
        with app.app_context():
            engines.append(db.engine)
        return Client(app)

    engines: list[Engine] = []
    yield fresh
    for engine in engines:
        engine.dispose()


def checks(client: Client) -> tuple[int, dict[str, str]]:
    response = client.get("~/readyz")
    all_ok = all(check == "ok" for check in response.json["checks"].values())
    assert response.json["status"] == ("ok" if all_ok else "unavailable")
    assert response.content_type == "application/json"
    return response.status_code, response.json["checks"]


def set_revision(app: Flask, revision: str) -> None:
    with app.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        db.session.commit()


def test_healthz_needs_no_backing_services(fresh: Callable[..., Client]) -> None:
    response = fresh(database_url=NO_DATABASE, broker_url=NO_BROKER).get("~/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok", "release": "unnamed"})


@pytest.mark.parametrize("variable", ["HEROKU_RELEASE_VERSION", "HEROKU_BUILD_COMMIT", "GIT_REV"])
def test_healthz_names_the_release(fresh: Callable[..., Client], variable: str) -> None:
    assert fresh(**{variable: "v42"}).get("~/healthz").json["release"] == "v42"


@every_database
def test_readyz_is_200_with_all_services(anonymous: Client) -> None:
    assert checks(anonymous) == (200, {"database": "ok", "migrations": "ok", "broker": "ok"})


@every_database
def test_readyz_is_503_without_the_schema(fresh: Callable[..., Client], database: str, tmp_path: Path) -> None:
    with new_database(database, tmp_path) as url:
        client = fresh(database_url=url)
        assert checks(client) == (503, {"database": "ok", "migrations": "failing", "broker": "ok"})
        with client.app.app_context():
            flask_migrate.upgrade()
            assert checks(client)[0] == 200
            flask_migrate.downgrade(revision="base")
            assert checks(client)[0] == 503


def test_readyz_is_200_with_the_schema_of_a_newer_release(fresh: Callable[..., Client]) -> None:
    client = fresh()
    with client.app.app_context():
        flask_migrate.upgrade()
    set_revision(client.app, "of_a_newer_release")
    assert checks(client) == (200, {"database": "ok", "migrations": "ok", "broker": "ok"})


def test_readyz_is_503_without_the_database(fresh: Callable[..., Client]) -> None:
    client = fresh(database_url=NO_DATABASE)
    assert checks(client) == (503, {"database": "failing", "migrations": "failing", "broker": "ok"})


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_readyz_is_503_after_the_database_is_dropped(
    fresh: Callable[..., Client], database: str, tmp_path: Path
) -> None:
    with new_database(database, tmp_path) as url:
        client = fresh(database_url=url)
        with client.app.app_context():
            flask_migrate.upgrade()
        assert checks(client)[0] == 200
    assert checks(client)[0] == 503


def test_readyz_is_503_without_the_broker(fresh: Callable[..., Client]) -> None:
    client = fresh(broker_url=NO_BROKER)
    with client.app.app_context():
        flask_migrate.upgrade()
    assert checks(client) == (503, {"database": "ok", "migrations": "ok", "broker": "failing"})


def test_concurrent_readyz_requests_share_one_check(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check opens a connection."""
    calls, resume = [], Event()

    def check() -> None:
        calls.append("broker")
        resume.wait(10)

    monkeypatch.setitem(service.CHECKS, "broker", check)
    with ThreadPoolExecutor(8) as threads:
        try:
            seen = list(threads.map(lambda _: checks(Client(app)), range(8)))
        finally:
            resume.set()
    assert seen == [(503, {"database": "ok", "migrations": "ok", "broker": "failing"})] * 8
    assert calls == ["broker"]


@pytest.mark.parametrize("kind", ["rabbitmq", "redis"])
def test_readyz_checks_each_kind_of_broker(fresh: Callable[..., Client], kind: str, tmp_path: Path) -> None:
    with new_broker(kind, tmp_path) as url:
        assert checks(fresh(broker_url=url))[1]["broker"] == "ok"


def test_a_request_without_the_database_gets_503_with_retry_after(
    fresh: Callable[..., Client],
) -> None:
    response = fresh(database_url=NO_DATABASE).post("/auth/login", json={"email": "a@b.org", "password": "secret"})
    status, body = problem(response)
    assert status == 503
    assert response.headers["Retry-After"].isdigit()
    assert "127.0.0.1" not in body["detail"]


def test_the_landing_page_and_health_need_no_token(anonymous: Client) -> None:
    for path in ("/", "/healthz", "/readyz"):
        assert anonymous.get(f"~{path}").status_code == 200
