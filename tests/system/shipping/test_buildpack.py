"""Heroku: the classic buildpack's steps on a clean tree, and the Procfile's commands on dynos, within Heroku's limits.

The services are those of Heroku's smallest plans: twenty connections each, and TLS with a self-signed certificate. The
build needs `requirements.txt` only: see `tests/system/twelve_factor/test_02_dependencies.py`.

Seen failing: without `gunicorn.access` in the logging configuration (lines that are not events), with a keepalive of 5,
without the doctor in `bin/release`, with a file written beside the code (permission denied), with PROXY_HOPS of 0 (the
router's address), with PostgreSQL without TLS, and with a child of the worker that dies of TERM (a second attempt).
"""

import json
import re
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import requests

from tests.support.environment import wait_for
from tests.system.harness.books import Expected, generate_goodbooks, run_journey
from tests.system.harness.deploy import PROCFILE, Build
from tests.system.harness.deploy.dynos import APP_JSON, BUILDPACK, NOBODY, App, Dyno, require_dynos
from tests.system.harness.servers import TlsPostgresServer, TlsRedisServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
SMALLEST_PLAN = 20  # connections, of heroku-postgresql:essential-0 and of heroku-redis:mini
OVER_TLS = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'app'"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a database whose user owns it."""
    with TlsPostgresServer() as server:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE app LOGIN CONNECTION LIMIT {SMALLEST_PLAN}")
            admin.execute("CREATE DATABASE app OWNER app")
        yield f"postgres://app@127.0.0.1:{server.port}/app"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """The URL of a Redis."""
    with TlsRedisServer("127.0.0.1", "--maxclients", str(SMALLEST_PLAN)) as server:
        yield f"rediss://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def app(database: str, broker: str, build: Build) -> App:
    """The app, as the button creates it."""
    require_dynos()
    config = {name: entry["value"] for name, entry in APP_JSON["env"].items() if "value" in entry}
    secret = {"SECRET_KEY": secrets.token_hex(32)}  # its `generator`
    return App(build, config | secret | {"DATABASE_URL": database, "BROKER_URL": broker})


@pytest.fixture(scope="module")
def released(app: App, tmp_path_factory: pytest.TempPathFactory) -> App:
    """The app, after its first release."""
    run(app, PROCFILE["release"], "release.1", tmp_path_factory.mktemp("release"))
    return app


def run(app: App, line: str, name: str, folder: Path) -> list[str]:
    """Run a command that must succeed, and return the lines of its output."""
    dyno = Dyno(app, line, name, folder)
    dyno.start()
    try:
        assert dyno.wait(300) == 0, dyno.log()
    finally:
        dyno.kill()
    return dyno.log().splitlines()


@contextmanager
def running(app: App, folder: Path) -> Iterator[tuple[Dyno, Dyno]]:
    """Web and a worker, each on a dyno."""
    worker = Dyno(app, PROCFILE["worker"], "worker.1", folder)
    worker.start()
    try:
        with Dyno(app, PROCFILE["web"], "web.1", folder) as web:
            wait_for("the worker is ready", lambda: " ready." in worker.log())
            yield web, worker
    finally:
        worker.kill()


def test_a_second_release_phase_changes_nothing_and_logs_events(released: App, tmp_path: Path) -> None:
    """Heroku runs it on every deploy, change of configuration and rollback."""
    again = [json.loads(line)["message"] for line in run(released, PROCFILE["release"], "release.2", tmp_path)]
    assert [message for message in again if message.startswith("ok: ")]
    assert not [message for message in again if "Running upgrade" in message]


@pytest.mark.parametrize("command", ["flask db upgrade", "flask prune"])
def test_a_one_off_command_needs_no_options(released: App, command: str, tmp_path: Path) -> None:
    """As with `heroku run`."""
    run(released, command, "run.1", tmp_path)


def test_web_and_worker_serve_over_tls_on_the_smallest_plans(
    released: App, database: str, broker: str, tmp_path: Path
) -> None:
    server = redis.Redis.from_url(broker, ssl_cert_reqs="none")
    with running(released, tmp_path) as (web, worker), psycopg.connect(database) as connection:
        assert connection.execute("SHOW ssl").fetchone() == ("on",)
        assert {Path(f"/proc/{dyno.process.pid}").stat().st_uid for dyno in (web, worker)} == {int(NOBODY)}
        run_journey(web)
        run(released, "flask doctor", "run.1", tmp_path)  # for example a release while all others run
        with ThreadPoolExecutor(16) as visitors:
            answers = visitors.map(lambda _: requests.get(f"{web.url}/readyz", timeout=120).status_code, range(160))
            assert set(answers) == {200}
        assert connection.execute(OVER_TLS).fetchone() == (True,)
        assert server.info("stats")["rejected_connections"] == 0
        answer = requests.get(f"{web.url}/healthz", timeout=60, headers={"X-Forwarded-For": "10.1.2.3, 203.0.113.9"})
        assert answer.status_code == 200
        assert web.stop() == worker.stop() == 0
    assert_all_are_events(web)
    assert_all_are_events(worker)
    (healthz,) = [event for event in web.events() if event["message"] == "GET /healthz 200"]
    assert healthz["source"]["ip"] == "203.0.113.9"  # the address that the router has seen


def assert_all_are_events(dyno: Dyno) -> None:
    """The buildpack enables gunicorn's own access log, whose lines are not events."""
    lines = dyno.log().splitlines()
    assert len(lines) == len(dyno.events())


def test_term_to_all_processes_ends_dynos_in_time_and_loses_nothing(released: App, tmp_path: Path) -> None:
    """Heroku restarts every dyno once a day, and kills it after 30 seconds."""
    file = generate_goodbooks(5_000)
    with running(released, tmp_path / "today") as (web, worker):
        user = web.sign_up("bob@example.org")
        job = user.import_csv(file)
        wait_for("the import is in progress", lambda: user.progress(job) > 0)
        web.send(signal.SIGTERM)
        worker.send(signal.SIGTERM)
        assert (web.wait(), worker.wait()) == (0, 0)
    with running(released, tmp_path / "tomorrow") as (web, worker):
        user.root = web.url
        done: dict[str, Any] = user.wait_for_job(job)
        assert (done["status"], done["attempts"]) == ("succeeded", 1)
        assert done["result"]["created"] == len(Expected.of(file).books)


def test_the_timeouts_of_gunicorn_fit_the_router_and_the_shutdown(released: App, tmp_path: Path) -> None:
    """The router keeps idle connections for 90 seconds, and a dyno has 30 seconds to stop."""
    line = f"{PROCFILE['web']} --print-config"
    config = dict(re.findall(r"(?m)^(\w+) +=\s(.*)$", "\n".join(run(released, line, "run.1", tmp_path))))
    assert int(config["keepalive"]) > 90
    assert 0 < int(config["graceful_timeout"]) < 30
    assert config["workers"] == BUILDPACK["WEB_CONCURRENCY"]
