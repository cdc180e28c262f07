"""Heroku: the classic buildpack's steps on a clean tree, and the Procfile's lines in dynos, with what Heroku bounds.

The services are as small and as strict as Heroku's smallest plans: twenty connections each, TLS with a certificate that
nobody has signed. The build needs `requirements.txt` alone: see `tests/system/twelve_factor/test_02_dependencies.py`.

Seen failing: `gunicorn.access` taken out of the logging configuration (lines that are no events), a keepalive of 5, no
doctor in `bin/release`, a file that is written beside the code (permission denied), PROXY_HOPS of 0 (the router's
address), PostgreSQL asked without TLS, and a child of the worker that dies of TERM (the job took a second attempt).
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
from tests.system.acceptance import goodbooks
from tests.system.faults.processes import progress
from tests.system.faults.servers import own
from tests.system.formation import LINES
from tests.system.shipping.dynos import APP_JSON, BUILDPACK, NOBODY, App, Dyno, require_dynos
from tests.system.twelve_factor.builds import Build
from tests.system.twelve_factor.journey import travel
from tests.system.twelve_factor.tls import TlsPostgres, TlsRedis

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]
SMALLEST_PLAN = 20  # connections, of heroku-postgresql:essential-0 and of heroku-redis:mini
OVER_TLS = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'app'"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a database that is its user's own."""
    with TlsPostgres() as server:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE app LOGIN CONNECTION LIMIT {SMALLEST_PLAN}")
            admin.execute("CREATE DATABASE app OWNER app")
        yield f"postgres://app@127.0.0.1:{server.port}/app"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """The URL of a Redis."""
    server = TlsRedis()
    server.command += ["--maxclients", str(SMALLEST_PLAN)]
    with own(server):
        yield f"rediss://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def app(database: str, broker: str, build: Build) -> App:
    """The app, as the button makes it."""
    require_dynos()
    config = {name: entry["value"] for name, entry in APP_JSON["env"].items() if "value" in entry}
    secret = {"SECRET_KEY": secrets.token_hex(32)}  # its `generator`
    return App(build, config | secret | {"DATABASE_URL": database, "BROKER_URL": broker})


@pytest.fixture(scope="module")
def released(app: App, tmp_path_factory: pytest.TempPathFactory) -> App:
    """The app, after its first release."""
    run(app, LINES["release"], "release.1", tmp_path_factory.mktemp("release"))
    return app


def run(app: App, line: str, name: str, folder: Path) -> list[str]:
    """Run a line to its end, which must be a good one; returns what it printed."""
    dyno = Dyno(app, line, name, folder)
    dyno.start()
    try:
        assert dyno.wait(90) == 0, dyno.log()
    finally:
        dyno.kill()
    return dyno.log().splitlines()


@contextmanager
def running(app: App, folder: Path) -> Iterator[tuple[Dyno, Dyno]]:
    """Web and a worker, a dyno each."""
    worker = Dyno(app, LINES["worker"], "worker.1", folder)
    worker.start()
    try:
        with Dyno(app, LINES["web"], "web.1", folder) as web:
            wait_for("the worker is ready", lambda: " ready." in worker.log())
            yield web, worker
    finally:
        worker.kill()


def test_a_release_phase_is_the_same_again_and_says_so_in_events(released: App, tmp_path: Path) -> None:
    """Heroku runs it on each deploy, each change of configuration and each rollback."""
    again = [json.loads(line)["message"] for line in run(released, LINES["release"], "release.2", tmp_path)]
    assert [message for message in again if message.startswith("ok: ")]
    assert not [message for message in again if "Running upgrade" in message]


@pytest.mark.parametrize("command", ["flask db upgrade", "flask prune"])
def test_a_command_needs_nothing_but_its_name(released: App, command: str, tmp_path: Path) -> None:
    """As `heroku run` has it."""
    run(released, command, "run.1", tmp_path)


def test_web_and_worker_serve_over_tls_on_the_smallest_plans(
    released: App, database: str, broker: str, tmp_path: Path
) -> None:
    server = redis.Redis.from_url(broker, ssl_cert_reqs="none")
    with running(released, tmp_path) as (web, worker), psycopg.connect(database) as connection:
        assert connection.execute("SHOW ssl").fetchone() == ("on",)
        assert {Path(f"/proc/{dyno.process.pid}").stat().st_uid for dyno in (web, worker)} == {int(NOBODY)}
        travel(web)
        run(released, "flask doctor", "run.1", tmp_path)  # a release, say, while all others are at work
        with ThreadPoolExecutor(16) as visitors:
            answers = visitors.map(lambda _: requests.get(f"{web.url}/readyz", timeout=30).status_code, range(160))
            assert set(answers) == {200}
        assert connection.execute(OVER_TLS).fetchone() == (True,)
        assert server.info("stats")["rejected_connections"] == 0
        answer = requests.get(f"{web.url}/healthz", timeout=5, headers={"X-Forwarded-For": "10.1.2.3, 203.0.113.9"})
        assert answer.status_code == 200
        assert web.stop() == worker.stop() == 0
    assert_all_are_events(web)
    assert_all_are_events(worker)
    (healthz,) = [event for event in web.events() if event["message"] == "GET /healthz 200"]
    assert healthz["source"]["ip"] == "203.0.113.9"  # whom the router has seen


def assert_all_are_events(dyno: Dyno) -> None:
    """The buildpack asks gunicorn for an access log of its own, which would be other lines."""
    lines = dyno.log().splitlines()
    assert len(lines) == len(dyno.events())


def test_term_to_every_process_at_once_ends_a_dyno_in_time_and_loses_nothing(released: App, tmp_path: Path) -> None:
    """Heroku does so once a day, to all dynos, and kills what is left after 30 seconds."""
    file = goodbooks.generated(5_000)
    with running(released, tmp_path / "today") as (web, worker):
        user = web.user("bob@example.org")
        job = user.import_csv(file)
        wait_for("the import is under way", lambda: progress(user, job) > 0)
        web.send(signal.SIGTERM)
        worker.send(signal.SIGTERM)
        assert (web.wait(30), worker.wait(30)) == (0, 0)
    with running(released, tmp_path / "tomorrow") as (web, worker):
        user.root = web.url
        done: dict[str, Any] = user.finished(job)
        assert (done["status"], done["attempts"]) == ("succeeded", 1)
        assert done["result"]["created"] == len(goodbooks.Expected.of(file).books)


def test_gunicorn_outlasts_the_router_and_ends_before_it_is_killed(released: App, tmp_path: Path) -> None:
    """The router keeps idle connections for 90 seconds, and a dyno has 30 to stop."""
    line = f"{LINES['web']} --print-config"
    config = dict(re.findall(r"(?m)^(\w+) +=\s(.*)$", "\n".join(run(released, line, "run.1", tmp_path))))
    assert int(config["keepalive"]) > 90
    assert 0 < int(config["graceful_timeout"]) < 30
    assert config["workers"] == BUILDPACK["WEB_CONCURRENCY"]
