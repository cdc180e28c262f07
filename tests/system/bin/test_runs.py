"""Test runs: which tests they include, what workers can report, and what a killed run leaves behind."""

import os
import signal
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.core.urls import database_url
from tests.support import leftovers
from tests.support.environment import ROOT, wait_for
from tests.support.services import require
from tests.system.harness.process import Program, run_command
from tests.system.harness.process_table import command_line, marked

PYTEST = ["pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
WITH_SURROGATES = r"""
import logging

def test_fails():
    logging.getLogger().warning("\ud800")
    raise ValueError("\ud800")
"""
WITHOUT_END = """
import signal
from pathlib import Path

from tests.support.services import new_database
from tests.system.conftest import run
from tests.system.harness.deploy import Deploy
from tests.system.harness.run import run_name
from tests.system.harness.servers import RedisServer

def test_without_end(tmp_path):
    database = new_database("postgresql", tmp_path)
    with database as url, RedisServer() as broker, Deploy(url, broker.url, tmp_path) as deploy:
        deploy.web()
        deploy.worker()
        Path(__file__).with_name("started").write_text(f"{run_name()} {url.rpartition('/')[2]}")
        signal.pause()
"""


def collected(*arguments: str) -> list[str]:
    code, output = run_command({}, "pytest", "--collect-only", "-q", *arguments)
    assert code == 0, output
    return [line for line in output.splitlines() if "::" in line]


def test_system_tests_are_included_only_if_named() -> None:
    usual = collected()
    assert usual
    assert not [name for name in usual if name.startswith("tests/system/")]
    assert all(name.startswith("tests/system/bin/") for name in collected("tests/system/bin"))


def test_workers_report_lone_surrogates(tmp_path: Path) -> None:
    """pytest-xdist encodes reports as UTF-8. Seen failing without the escape: internal error, exit code 3."""
    (tmp_path / "test_surrogates.py").write_text(WITH_SURROGATES)
    variables = {"PYTHONPATH": str(ROOT)}
    code, output = run_command(variables, *PYTEST, "-n1", "-p", "tests.conftest", str(tmp_path))
    assert code == 1, output
    assert "1 failed" in output


@pytest.mark.services
@pytest.mark.parametrize("processes", ["-n0", "-n1"])
def test_a_killed_run_leaves_no_process_and_no_folder_and_the_next_run_drops_its_database(
    processes: str, tmp_path: Path
) -> None:
    server = require("postgresql")
    (tmp_path / "test_without_end.py").write_text(WITHOUT_END)
    started = tmp_path / "started"
    with Program([*PYTEST, processes, str(tmp_path)], tmp_path, {}) as killed:
        wait_for("its processes are started", lambda: started.exists() or not killed.is_running)
        assert started.exists(), killed.log()
        run, database = started.read_text().split()
        commands = " ".join(map(command_line, marked(run)))
        assert all(name in commands for name in ("gunicorn", "celery", "redis-server"))
        os.kill(killed.process.pid, signal.SIGKILL)
        wait_for("its processes have ended", lambda: not marked(run))
        wait_for("its folders are deleted", lambda: not list(Path(tempfile.gettempdir()).glob(f"{run}*")))

    engine = create_engine(database_url(server))
    names = text("SELECT datname FROM pg_database")
    with engine.connect() as connection:
        if processes == "-n0":  # a worker of pytest-xdist ends by itself, and drops the database
            assert database in connection.scalars(names).all()

        def is_dropped() -> bool:
            leftovers.drop_databases.__wrapped__("postgresql", server)
            return database not in connection.scalars(names).all()

        wait_for("its database is dropped", is_dropped)
    engine.dispose()
