"""Migrations take a lock, but commands that only read do not, and `--sql` prints SQL only.

`tests/system/twelve_factor/test_12_admin_processes.py` runs two upgrades at the same time.
"""

import subprocess
from pathlib import Path

from sqlalchemy import create_engine, text

from app.core.urls import database_url
from tests.support.environment import ROOT, environment, service_variables
from tests.support.services import new_database


def flask(url: str, folder: Path, *arguments: str) -> str:
    """Run a command that must succeed, and return its stdout."""
    variables = environment(service_variables(url, f"sqla+sqlite:///{folder}/broker.db"))
    command = ["flask", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=variables, check=True, timeout=300, capture_output=True, text=True
    ).stdout


def test_reading_the_revision_does_not_wait_for_the_migration_lock(tmp_path: Path) -> None:
    """Fails, with a timeout, when every command takes the lock."""
    with new_database("postgresql", tmp_path) as url:
        flask(url, tmp_path, "db", "upgrade")
        engine = create_engine(database_url(url))
        with engine.connect() as migrating:
            migrating.execute(text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
            assert "(head)" in flask(url, tmp_path, "db", "current")
            flask(url, tmp_path, "db", "check")
        engine.dispose()


def test_the_printed_script_contains_only_sql(tmp_path: Path) -> None:
    """Fails when log lines, which go to stdout, are between the statements."""
    with new_database("postgresql", tmp_path) as url:
        script = flask(url, tmp_path, "db", "upgrade", "--sql")
        assert script.startswith("BEGIN;")
        assert "{" not in script
        engine = create_engine(database_url(url))
        with engine.begin() as connection:
            connection.exec_driver_sql(script.removeprefix("BEGIN;").replace("COMMIT;", ""))
        assert "(head)" in flask(url, tmp_path, "db", "current")
        engine.dispose()
