"""`flask db upgrade --sql` prints a script. It opens no connection."""

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from app.core.urls import ROOT, database_url
from tests.conftest import every_database
from tests.support.environment import BIN, environment, service_variables
from tests.support.services import new_database

HEAD = str(ScriptDirectory(str(ROOT / "migrations")).get_current_head())
# SQLite copies a table to change it. That needs a connection, so its scripts end before the first such revision.
LAST = {"sqlite": "0001", "postgresql": HEAD, "mariadb": HEAD}
UNREACHABLE = {
    "sqlite": "sqlite:///{folder}/missing/app.db",
    "postgresql": "postgresql://nobody@127.0.0.1:1/nothing",
    "mariadb": "mysql://nobody@127.0.0.1:1/nothing",
}


def script(url: str, folder: Path, *arguments: str) -> str:
    """The output of `flask db … --sql`."""
    variables = environment(service_variables(url, f"sqla+sqlite:///{folder}/broker.db"))
    command = [str(BIN / "flask"), "db", *arguments, "--sql"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def url(database: str, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    with new_database(database, tmp_path) as url:
        yield url


@every_database
def test_a_script_creates_the_tables(database: str, url: str, tmp_path: Path) -> None:
    sql = script(UNREACHABLE[database].format(folder=tmp_path), tmp_path, "upgrade", LAST[database])
    assert not (tmp_path / "missing").exists()
    engine = create_engine(database_url(url))
    if database == "sqlite":
        with sqlite3.connect(str(engine.url.database)) as connection:
            connection.executescript(sql)
    else:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
            for statement in sql.split(";\n"):
                if statement.strip():
                    server.exec_driver_sql(statement.replace("%", "%%"))
    with engine.connect() as reader:
        assert reader.scalar(text("SELECT version_num FROM alembic_version")) == LAST[database]
    assert {"users", "jobs"} <= set(inspect(engine).get_table_names())
    engine.dispose()


@every_database
def test_a_script_drops_the_tables(database: str, tmp_path: Path) -> None:
    sql = script(UNREACHABLE[database].format(folder=tmp_path), tmp_path, "downgrade", f"{LAST[database]}:base")
    assert "DROP TABLE users" in sql
