"""Factor VIII, concurrency: the service scales out by processes on any number of hosts.

Web processes, workers, database and broker have hosts of their own (network namespaces). The tests cut cables and end
hosts. Seen failing: with web bound to the loopback device, at its start; with an advisory lock around each job, at the
ratio (10.8 s to 10.6 s). Other causes stand at the tests.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any, cast

import pytest
import requests
from sqlalchemy import NullPool, create_engine, text

from app import create_app
from app.core.database import db
from app.core.urls import database_url
from tests.conftest import make_settings
from tests.support.environment import wait_for
from tests.system.harness.books import make_csv
from tests.system.twelve_factor.site import Site, assert_imported_once, books_of, exported_rows

PAIRS = [("postgresql", "rabbitmq"), ("mariadb", "redis")]
on_each_pair = pytest.mark.parametrize(("database_kind", "broker_kind"), PAIRS)
on_one_pair = pytest.mark.parametrize(("database_kind", "broker_kind"), PAIRS[:1])
pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

ROWS = 40_000
SMALL = make_csv(100)
# What workers log when the broker has not answered for some time.
NO_BROKER = {"rabbitmq": "Trying again in 6.00 seconds", "redis": "was not published"}
# Statements that make others wait for a lock, and that count those who wait.
LOCKS = {
    "postgresql": ("LOCK TABLE books IN ACCESS EXCLUSIVE MODE", "SELECT count(*) FROM pg_locks WHERE NOT granted"),
    "mariadb": ("LOCK TABLES books WRITE", "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'W%'"),
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Site]]:
    """Create a site with a pair of services, once for all tests."""
    created: dict[str, Site] = {}
    with ExitStack() as stack:

        def create(database_kind: str, broker_kind: str) -> Site:
            if database_kind not in created:
                folder = tmp_path_factory.mktemp(database_kind)
                created[database_kind] = Site(database_kind, broker_kind, folder, stack)
            return created[database_kind]

        yield create


@pytest.fixture
def site(sites: Callable[[str, str], Site], database_kind: str, broker_kind: str) -> Iterator[Site]:
    """A site with all hosts and processes. The test runs on the client's host."""
    created = sites(database_kind, broker_kind)
    with created.hosts["client"].inside():
        created.repair()
        yield created


@on_each_pair
def test_processes_on_several_hosts_serve_one_user(site: Site) -> None:
    at_a = site.sign_up("web-a")
    at_b = site.at("web-b", at_a)
    assert_imported_once(at_b, at_a.import_csv(SMALL), SMALL)
    jobs = site.deploy.enqueue(at_b, *["sleep"] * 4)
    assert {site.worker_of(job) for job in jobs} == set(site.workers)
    assert {at_a.wait_for_job(job)["status"] for job in jobs} == {"succeeded"}


@on_one_pair
def test_two_workers_take_at_most_six_tenths_of_the_time_of_one(site: Site) -> None:
    ada = site.sign_up()
    two = site.seconds_for(["sleep"] * 10, ada)
    site.workers.pop("worker-b").stop()
    one = site.seconds_for(["sleep"] * 10, ada)
    assert two <= 0.6 * one, (two, one)


@on_one_pair
def test_a_worker_that_was_disconnected_loses_its_job_and_writes_nothing(
    site: Site, record_property: Callable[[str, float], None]
) -> None:
    """Fails without the sweep (the job does not end), and without the fence (the worker never notices)."""
    ada, file = site.sign_up(), make_csv(ROWS)
    (job,) = site.deploy.enqueue(ada, "import.paused", data=file)
    role = site.worker_of(job)
    host, worker = site.hosts[role], site.workers[role]
    wait_for("the import pauses", lambda: "waits for SIGUSR2" in worker.log())
    with host.cable_cut():
        begun = time.monotonic()
        ended = assert_imported_once(ada, job, file)
        record_property("recovery", time.monotonic() - begun)
        assert ended["attempts"] == 2
        before = ada.get(job).json(), ada.get("/books/export").text
    (child,) = worker.children()
    os.kill(child, signal.SIGUSR2)
    wait_for("the worker stops the job", lambda: "it was cancelled, or another worker has it" in worker.log())
    assert (ada.get(job).json(), ada.get("/books/export").text) == before
    site.wait_until_jobs_reach(role, user=ada)


@on_each_pair
def test_disconnecting_the_broker_delays_jobs_and_loses_none(
    site: Site, broker_kind: str, record_property: Callable[[str, float], None]
) -> None:
    """Fails on RabbitMQ with Celery's remote control: workers end on reconnecting, because its queue is locked."""
    ada, bob, file = site.sign_up("web-a"), site.sign_up("web-b"), make_csv(ROWS)
    running = ada.import_csv(file)
    ada.wait_until_running(running, ROWS)
    before = site.count_in_worker_logs(NO_BROKER[broker_kind])
    with site.hosts["broker"].cable_cut():
        accepted = [bob.import_csv(SMALL) for _ in range(3)]
        assert_imported_once(ada, running, file)  # a running job needs no broker
        wait_for("the workers log it", lambda: site.count_in_worker_logs(NO_BROKER[broker_kind]) > before + 1)
    back = time.monotonic()

    for web in site.webs.values():
        web.wait_until_ready()
    results = [bob.wait_for_job(job) for job in accepted]
    record_property("recovery", time.monotonic() - back)
    assert {(job["status"], job["attempts"]) for job in results} == {("succeeded", 1)}
    assert sum(job["result"]["created"] for job in results) == 99
    assert exported_rows(bob) == books_of(SMALL)
    site.wait_until_jobs_reach(*site.workers, user=ada)


@on_each_pair
def test_disconnecting_the_database_causes_503_and_loses_no_job(
    site: Site, database_kind: str, record_property: Callable[[str, float], None]
) -> None:
    """Fails without keepalives: a client waits for an answer until the cable is connected."""
    ada, file = site.sign_up("web-a"), make_csv(ROWS)
    job = ada.import_csv(file)
    ada.wait_until_running(job, ROWS)
    lock, count_waiting = (text(statement) for statement in LOCKS[database_kind])
    engine = create_engine(database_url(site.database.url), poolclass=NullPool)
    with ThreadPoolExecutor() as threads, closing(engine.connect()) as connection:
        connection.execute(lock)
        reader = threads.submit(site.at("web-a", ada).get, "/books", timeout=300)
        wait_for("web and worker wait for the lock", lambda: connection.scalar(count_waiting) >= 2)
        with site.hosts["database"].cable_cut():
            assert reader.result(300).status_code == 503  # web detects it by itself
            assert ada.get(job).status_code == 503
            assert requests.get(f"{site.webs['web-a'].url}/healthz", timeout=60).status_code == 200
        back = time.monotonic()
    for web in site.webs.values():
        web.wait_until_ready()
    ended = assert_imported_once(ada, job, file)
    record_property("recovery", time.monotonic() - back)
    assert ended["attempts"] > 1


@on_one_pair
def test_the_database_releases_the_locks_of_a_host_that_vanished_during_a_pipeline(site: Site) -> None:
    """Fails when the server does not check its connections: other clients never get the rows."""
    ada, host = site.sign_up(), site.hosts["worker-a"]
    with create_app(make_settings(site.database.url, site.broker.url)).app_context():
        with host.inside():
            connection = db.engine.raw_connection()
        server = cast(Any, connection.driver_connection).pgconn
        connection.detach()  # do not return it to the pool
        server.enter_pipeline_mode()
        for statement in ("BEGIN", LOCKS["postgresql"][0]):
            server.send_query_params(statement.encode(), None)
        server.flush()
        held = text("SELECT count(*) FROM pg_locks WHERE relation = 'books'::regclass AND mode = 'AccessExclusiveLock'")
        wait_for("the host holds the lock", lambda: db.session.scalar(held))
        with host.cable_cut():
            assert ada.get("/books", timeout=300).status_code == 200


@on_one_pair
def test_hosts_that_lose_power_lose_no_accepted_job(site: Site, record_property: Callable[[str, float], None]) -> None:
    """Fails without the sweep: the job of the lost worker does not end."""
    ada, bob, file = site.sign_up("web-a"), site.sign_up("web-a"), make_csv(ROWS)
    running = ada.import_csv(file)
    ada.wait_until_running(running, ROWS)
    site.hosts[site.worker_of(running)].lose_power()
    accepted = bob.import_csv(SMALL)
    site.hosts["web-a"].lose_power()
    lost = time.monotonic()

    assert_imported_once(site.at("web-b", bob), accepted, SMALL)
    ended = assert_imported_once(site.at("web-b", ada), running, file)
    record_property("recovery", time.monotonic() - lost)
    assert ended["attempts"] == 2
