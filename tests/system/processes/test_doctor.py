"""`flask doctor` and `bin/release` as processes: what they refuse, and what they say to do about it."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.core.urls import database_url
from tests.support.environment import service_variables
from tests.support.services import new_database
from tests.system.twelve_factor import one_offs


@pytest.fixture
def one_off(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run a command as a process of its own; returns its exit code and what it printed."""

    def run(*command: str, **variables: str) -> tuple[int, str]:
        defaults = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db")
        return one_offs.one_off(defaults | variables, *command)

    return run


@pytest.mark.parametrize(
    ("variable", "value", "check", "advice"),
    [
        ("CORS_ORIGINS", "https://app.example.org,*", "origins", "name the origins"),
        ("FLASK_DEBUG", "1", "debug", "unset FLASK_DEBUG"),
        ("DATABASE_URL", "postgresql://ada:hunter2@127.0.0.1:1/none", "database", "check DATABASE_URL"),
        ("BROKER_URL", "amqp://ada:hunter2@127.0.0.1:1//", "broker", "check BROKER_URL"),
    ],
)
def test_what_is_wrong_fails_the_release_before_the_schema_is_touched(
    one_off: Callable[..., tuple[int, str]], tmp_path: Path, variable: str, value: str, check: str, advice: str
) -> None:
    code, printed = one_off("bin/release", **{variable: value})
    assert code == 1
    failures = [
        event["message"] for line in printed.splitlines() if (event := json.loads(line))["log.level"] == "error"
    ]
    assert [message for message in failures if message.startswith(f"FAIL: {check}: ") and advice in message]
    assert "hunter2" not in printed
    assert "alembic" not in printed


def test_nothing_is_advised_that_only_a_database_could_tell(one_off: Callable[..., tuple[int, str]]) -> None:
    printed = one_off("flask", "doctor", DATABASE_URL="postgresql://ada:hunter2@127.0.0.1:1/none")[1]
    unknown = [line.split()[1] for line in printed.splitlines() if line.endswith("not known without the database")]
    assert unknown == ["connections", "migrations", "worker"]


def test_a_weak_secret_fails_the_release(one_off: Callable[..., tuple[int, str]]) -> None:
    code, printed = one_off("bin/release", SECRET_KEY="change-me-" * 5)
    assert code == 1
    assert "SECRET_KEY is a placeholder; generate one with" in printed


def test_a_release_needs_no_worker_and_no_schema_yet(one_off: Callable[..., tuple[int, str]]) -> None:
    assert one_off("flask", "doctor", "--release")[0] == 0
    code, printed = one_off("flask", "doctor")
    assert code == 1
    assert "run: flask db upgrade" in printed
    assert one_off("bin/release")[0] == 0
    assert "FAIL  worker" in one_off("flask", "doctor")[1]


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("postgresql", "ALTER DATABASE {name} CONNECTION LIMIT 18"),
        ("postgresql", "ALTER ROLE {name} CONNECTION LIMIT 18"),
        ("mariadb", "ALTER USER {name} WITH MAX_USER_CONNECTIONS 18"),
    ],
)
def test_more_connections_than_the_server_grants_are_refused(
    one_off: Callable[..., tuple[int, str]], tmp_path: Path, kind: str, limit: str
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(new_database(kind, tmp_path))
        name = url.rpartition("/")[2]
        server = create_engine(database_url(url), isolation_level="AUTOCOMMIT").connect()
        stack.callback(server.close)
        create = "CREATE ROLE {0} LOGIN" if kind == "postgresql" else "CREATE USER {0}"
        server.execute(text(create.format(name)))
        stack.callback(server.execute, text(f"DROP {'ROLE' if kind == 'postgresql' else 'USER'} {name}"))
        if kind == "mariadb":
            server.execute(text(f"GRANT ALL ON {name}.* TO {name}"))
        own = f"{url.partition('://')[0]}://{name}@{url.rpartition('@')[2]}"
        server.execute(text(limit.format(name=name)))
        lines = one_off("flask", "doctor", DATABASE_URL=own)[1]
        assert "FAIL  connections    one web, one worker and a one-off process need 19, the server grants 18" in lines
        assert (
            "ok    connections    13 needed, 18 granted"
            in one_off("flask", "doctor", DATABASE_URL=own, WEB_CONCURRENCY="1")[1]
        )
