"""`flask doctor` and `bin/release`: what they refuse, and what they advise."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.core.urls import database_url
from tests.support.environment import service_variables
from tests.support.services import new_database
from tests.system.harness.process import run_command


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run a command in a valid environment, changed by variables. Returns its exit code and output."""

    def run_in(*command: str, **variables: str) -> tuple[int, str]:
        defaults = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db")
        return run_command(defaults | variables, *command)

    return run_in


@pytest.mark.parametrize(
    ("variable", "value", "check", "advice"),
    [
        ("CORS_ORIGINS", "https://app.example.org,*", "origins", "name the origins"),
        ("FLASK_DEBUG", "1", "debug", "unset FLASK_DEBUG"),
        ("DATABASE_URL", "postgresql://ada:hunter2@127.0.0.1:1/none", "database", "check DATABASE_URL"),
        ("BROKER_URL", "amqp://ada:hunter2@127.0.0.1:1//", "broker", "check BROKER_URL"),
    ],
)
def test_a_fault_fails_the_release_before_the_migrations(
    run: Callable[..., tuple[int, str]], tmp_path: Path, variable: str, value: str, check: str, advice: str
) -> None:
    code, printed = run("bin/release", **{variable: value})
    assert code == 1
    failures = [
        event["message"] for line in printed.splitlines() if (event := json.loads(line))["log.level"] == "error"
    ]
    assert [message for message in failures if message.startswith(f"FAIL: {check}: ") and advice in message]
    assert "hunter2" not in printed
    assert "alembic" not in printed


def test_without_a_database_the_doctor_reports_no_findings_about_it(run: Callable[..., tuple[int, str]]) -> None:
    report = run("flask", "doctor", DATABASE_URL="postgresql://ada:hunter2@127.0.0.1:1/none")[1]
    unknown = [line.split()[1] for line in report.splitlines() if "unknown without the " in line]
    assert unknown == ["connections", "migrations", "worker"]


def test_a_weak_secret_fails_the_release(run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("bin/release", SECRET_KEY="change-me-" * 5)
    assert code == 1
    assert "SECRET_KEY is a placeholder; generate one with" in printed


def test_a_release_needs_no_worker_and_no_schema(run: Callable[..., tuple[int, str]]) -> None:
    assert run("flask", "doctor", "--release")[0] == 0
    code, printed = run("flask", "doctor")
    assert code == 1
    assert "run: flask db upgrade" in printed
    assert run("bin/release")[0] == 0
    assert "FAIL  worker" in run("flask", "doctor")[1]


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("postgresql", "ALTER DATABASE {name} CONNECTION LIMIT 18"),
        ("postgresql", "ALTER ROLE {name} CONNECTION LIMIT 18"),
        ("mariadb", "ALTER USER {name} WITH MAX_USER_CONNECTIONS 18"),
    ],
)
def test_more_connections_than_the_server_grants_are_refused(
    run: Callable[..., tuple[int, str]], tmp_path: Path, kind: str, limit: str
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
        lines = run("flask", "doctor", DATABASE_URL=own)[1]
        assert "FAIL  connections    one web, one worker and a one-off process need 20, the server grants 18" in lines
        assert (
            "ok    connections    14 needed, 18 granted"
            in run("flask", "doctor", DATABASE_URL=own, WEB_CONCURRENCY="1")[1]
        )
