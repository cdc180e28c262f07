"""What platforms look at: `/healthz` and `/readyz`."""

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

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"  # nobody listens on port 1
NO_BROKER = "amqp://127.0.0.1:1//"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Speak with an application of the test's own, whose database has no schema."""

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
    well = all(check == "ok" for check in response.json["checks"].values())
    assert response.json["status"] == ("ok" if well else "unavailable")
    assert response.content_type == "application/json"
    return response.status_code, response.json["checks"]


def set_revision(app: Flask, revision: str) -> None:
    with app.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        db.session.commit()


def test_a_process_is_alive_whatever_has_become_of_its_services(fresh: Callable[..., Client]) -> None:
    response = fresh(database_url=NO_DATABASE, broker_url=NO_BROKER).get("~/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok", "release": "unnamed"})


@pytest.mark.parametrize("variable", ["HEROKU_RELEASE_VERSION", "HEROKU_BUILD_COMMIT", "GIT_REV"])
def test_a_process_tells_its_release(fresh: Callable[..., Client], variable: str) -> None:
    assert fresh(**{variable: "v42"}).get("~/healthz").json["release"] == "v42"


@every_database
def test_a_process_with_all_its_services_is_ready(anyone: Client) -> None:
    assert checks(anyone) == (200, {"database": "ok", "migrations": "ok", "broker": "ok"})


@every_database
def test_a_process_whose_database_has_no_schema_is_not_ready(
    fresh: Callable[..., Client], database: str, tmp_path: Path
) -> None:
    with new_database(database, tmp_path) as url:
        client = fresh(database_url=url)
        assert checks(client) == (503, {"database": "ok", "migrations": "failing", "broker": "ok"})
        with client.app.app_context():
            flask_migrate.upgrade()
            assert checks(client)[0] == 200
            flask_migrate.downgrade(revision="base")
            assert checks(client)[0] == 503


def test_a_schema_that_a_newer_release_has_migrated_is_ready(fresh: Callable[..., Client]) -> None:
    client = fresh()
    with client.app.app_context():
        flask_migrate.upgrade()
    set_revision(client.app, "of_a_newer_release")
    assert checks(client) == (200, {"database": "ok", "migrations": "ok", "broker": "ok"})


def test_a_process_whose_database_does_not_answer_is_not_ready(fresh: Callable[..., Client]) -> None:
    client = fresh(database_url=NO_DATABASE)
    assert checks(client) == (503, {"database": "failing", "migrations": "failing", "broker": "ok"})


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_process_whose_database_is_gone_is_not_ready(
    fresh: Callable[..., Client], database: str, tmp_path: Path
) -> None:
    with new_database(database, tmp_path) as url:
        client = fresh(database_url=url)
        with client.app.app_context():
            flask_migrate.upgrade()
        assert checks(client)[0] == 200
    assert checks(client)[0] == 503


def test_a_process_whose_broker_does_not_answer_is_not_ready(fresh: Callable[..., Client]) -> None:
    client = fresh(broker_url=NO_BROKER)
    with client.app.app_context():
        flask_migrate.upgrade()
    assert checks(client) == (503, {"database": "ok", "migrations": "ok", "broker": "failing"})


def test_those_who_ask_while_a_service_is_asked_share_its_answer(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question would be a connection more. Fails, of eight who ask, with six questions when nobody shares."""
    asked, answer = [], Event()

    def ask() -> None:
        asked.append("the broker")
        answer.wait(10)

    monkeypatch.setitem(service.CHECKS, "broker", ask)
    with ThreadPoolExecutor(8) as visitors:
        try:
            seen = list(visitors.map(lambda _: checks(Client(app)), range(8)))
        finally:
            answer.set()
    assert seen == [(503, {"database": "ok", "migrations": "ok", "broker": "failing"})] * 8
    assert asked == ["the broker"]


@pytest.mark.parametrize("kind", ["rabbitmq", "redis"])
def test_a_broker_of_each_kind_is_ready(fresh: Callable[..., Client], kind: str, tmp_path: Path) -> None:
    with new_broker(kind, tmp_path) as url:
        assert checks(fresh(broker_url=url))[1]["broker"] == "ok"


def test_a_request_that_needs_a_database_which_does_not_answer_is_told_to_come_back(
    fresh: Callable[..., Client],
) -> None:
    response = fresh(database_url=NO_DATABASE).post("/auth/login", json={"email": "a@b.org", "password": "secret"})
    status, body = problem(response)
    assert status == 503
    assert response.headers["Retry-After"].isdigit()
    assert "127.0.0.1" not in body["detail"]


def test_the_landing_page_and_health_need_no_token(anyone: Client) -> None:
    for path in ("/", "/healthz", "/readyz"):
        assert anyone.get(f"~{path}").status_code == 200
