"""Factor VIII, concurrency: the service scales out by processes, on as many hosts as there are.

Web, workers, database and broker stand on hosts of their own (network namespaces), whose cables are cut and whose power
fails. Seen failing: with web on the loopback device alone, at its start; with an advisory lock around each job, at
the ratio (10.8 s to 10.6 s). What else was broken stands at the tests.
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
from tests.system.faults.processes import csv_of, enqueue, progress
from tests.system.twelve_factor.imports import accept, assert_imported_once, books, books_of
from tests.system.twelve_factor.site import Site, site

PAIRS = [("postgresql", "rabbitmq"), ("mariadb", "redis")]
on_each_pair = pytest.mark.parametrize(("database_kind", "broker_kind"), PAIRS)
on_one_pair = pytest.mark.parametrize(("database_kind", "broker_kind"), PAIRS[:1])
pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

ROWS = 40_000
SMALL = csv_of(100)
# What workers say of a broker that has been away for some while.
COMPLAINT = {"rabbitmq": "Trying again in 6.00 seconds", "redis": "the broker took no message"}
# How to make others wait for the database, and how to count those who do.
LOCKS = {
    "postgresql": ("LOCK TABLE books IN ACCESS EXCLUSIVE MODE", "SELECT count(*) FROM pg_locks WHERE NOT granted"),
    "mariadb": ("LOCK TABLES books WRITE", "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'W%'"),
}


@pytest.fixture(scope="module")
def site_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Site]]:
    """Make a site on a pair of services, once for all tests."""
    made: dict[str, Site] = {}
    with ExitStack() as stack:

        def make(database_kind: str, broker_kind: str) -> Site:
            if database_kind not in made:
                folder = tmp_path_factory.mktemp(database_kind)
                made[database_kind] = stack.enter_context(site(database_kind, broker_kind, folder))
            return made[database_kind]

        yield make


@pytest.fixture
def on_hosts(site_on: Callable[[str, str], Site], database_kind: str, broker_kind: str) -> Iterator[Site]:
    """A site where all is well; the test is at the client's host."""
    made = site_on(database_kind, broker_kind)
    with made.hosts["client"].inside():
        made.make_well()
        yield made


@on_each_pair
def test_webs_and_workers_on_hosts_of_their_own_serve_one_user(on_hosts: Site) -> None:
    at_a = on_hosts.user("web-a")
    at_b = on_hosts.at("web-b", at_a)
    assert_imported_once(at_b, at_a.import_csv(SMALL), SMALL)
    jobs = enqueue(on_hosts.deployed, at_b, *["sleep"] * 4)
    assert {on_hosts.worker_of(job) for job in jobs} == set(on_hosts.workers)
    assert {at_a.finished(job)["status"] for job in jobs} == {"succeeded"}


@on_one_pair
def test_two_workers_finish_a_queue_in_at_most_six_tenths_of_the_time_of_one(on_hosts: Site) -> None:
    ada = on_hosts.user()
    two = on_hosts.seconds_for(["sleep"] * 10, ada)
    on_hosts.workers.pop("worker-b").stop()
    one = on_hosts.seconds_for(["sleep"] * 10, ada)
    assert two <= 0.6 * one, (two, one)


@on_one_pair
def test_a_worker_whose_cable_was_cut_loses_its_job_and_writes_nothing_of_it_when_it_is_back(
    on_hosts: Site, record_property: Callable[[str, float], None]
) -> None:
    """Fails without the sweep (the job does not end), and without the fence (the worker never notices)."""
    ada, file = on_hosts.user(), csv_of(ROWS)
    (job,) = enqueue(on_hosts.deployed, ada, "import.standing", data=file)
    role = on_hosts.worker_of(job)
    host, worker = on_hosts.hosts[role], on_hosts.workers[role]
    wait_for("it stands still in the middle", lambda: "stands still" in worker.log())
    with host.cable_cut():
        begun = time.monotonic()
        ended = assert_imported_once(ada, job, file)
        record_property("recovery", time.monotonic() - begun)
        assert ended["attempts"] == 2
        before = ada.get(job).json(), ada.get("/books/export").text
    (child,) = worker.children()
    os.kill(child, signal.SIGUSR2)
    wait_for("it finds out", lambda: "is no longer ours" in worker.log())
    assert (ada.get(job).json(), ada.get("/books/export").text) == before
    on_hosts.wait_until_jobs_reach(role, user=ada)


@on_each_pair
def test_cutting_the_cable_of_the_broker_delays_jobs_and_loses_none(
    on_hosts: Site, broker_kind: str, record_property: Callable[[str, float], None]
) -> None:
    """Fails on RabbitMQ with Celery's remote control: its queue is locked when the workers are back, and they die."""
    ada, bob, file = on_hosts.user("web-a"), on_hosts.user("web-b"), csv_of(ROWS)
    running = ada.import_csv(file)
    wait_for("the import is under way", lambda: 0 < progress(ada, running) < ROWS)
    complaints = on_hosts.times_that_workers_said(COMPLAINT[broker_kind])
    with on_hosts.hosts["broker"].cable_cut():
        accepted = [accept(bob, SMALL) for _ in range(3)]
        assert_imported_once(ada, running, file)  # it needs its row, not its message
        wait_for("it is missed", lambda: on_hosts.times_that_workers_said(COMPLAINT[broker_kind]) > complaints + 1)
    back = time.monotonic()

    for web in on_hosts.webs.values():
        wait_for("web is ready again", web.ready, 10)
    results = [bob.finished(job, 90) for job in accepted]
    record_property("recovery", time.monotonic() - back)
    assert {(job["status"], job["attempts"]) for job in results} == {("succeeded", 1)}
    assert sum(job["result"]["created"] for job in results) == 99
    assert books(bob) == books_of(SMALL)
    on_hosts.wait_until_jobs_reach(*on_hosts.workers, user=ada)


@on_each_pair
def test_cutting_the_cable_of_the_database_costs_503s_and_no_job(
    on_hosts: Site, database_kind: str, record_property: Callable[[str, float], None]
) -> None:
    """Fails without keepalives: who waits for an answer waits until the cable is mended."""
    ada, file = on_hosts.user("web-a"), csv_of(ROWS)
    job = ada.import_csv(file)
    wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)
    lock, count_waiting = (text(statement) for statement in LOCKS[database_kind])
    engine = create_engine(database_url(on_hosts.database.url), poolclass=NullPool)
    with ThreadPoolExecutor() as threads, closing(engine.connect()) as connection:
        connection.execute(lock)
        reader = threads.submit(on_hosts.at("web-a", ada).get, "/books", timeout=90)
        wait_for("both wait for the database", lambda: connection.scalar(count_waiting) >= 2)
        with on_hosts.hosts["database"].cable_cut():
            assert reader.result(60).status_code == 503  # although nobody has told web that no answer will come
            assert ada.get(job).status_code == 503
            assert requests.get(f"{on_hosts.webs['web-a'].url}/healthz", timeout=5).status_code == 200
        back = time.monotonic()
    for web in on_hosts.webs.values():
        wait_for("web is ready again", web.ready, 10)
    ended = assert_imported_once(ada, job, file)
    record_property("recovery", time.monotonic() - back)
    assert ended["attempts"] > 1


@on_one_pair
def test_the_database_takes_locks_from_a_host_that_vanished_in_the_middle_of_a_pipeline(on_hosts: Site) -> None:
    """Fails while the server does not look after its connections: whoever wants the rows next never gets them."""
    ada, host = on_hosts.user(), on_hosts.hosts["worker-a"]
    with create_app(make_settings(on_hosts.database.url, on_hosts.broker.url)).app_context():
        with host.inside():
            connection = db.engine.raw_connection()
        server = cast(Any, connection.driver_connection).pgconn
        connection.detach()  # the pool shall not have it back
        server.enter_pipeline_mode()
        for statement in ("BEGIN", LOCKS["postgresql"][0]):
            server.send_query_params(statement.encode(), None)
        server.flush()
        held = text("SELECT count(*) FROM pg_locks WHERE relation = 'books'::regclass AND mode = 'AccessExclusiveLock'")
        wait_for("it holds the lock", lambda: db.session.scalar(held))
        with host.cable_cut():
            assert ada.get("/books", timeout=90).status_code == 200


@on_one_pair
def test_hosts_that_lose_their_power_take_nothing_along_that_was_accepted(
    on_hosts: Site, record_property: Callable[[str, float], None]
) -> None:
    """Fails without the sweep: the job of the lost worker does not end."""
    ada, bob, file = on_hosts.user("web-a"), on_hosts.user("web-a"), csv_of(ROWS)
    running = ada.import_csv(file)
    wait_for("the import is under way", lambda: 0 < progress(ada, running) < ROWS)
    on_hosts.hosts[on_hosts.worker_of(running)].lose_power()
    accepted = bob.import_csv(SMALL)
    on_hosts.hosts["web-a"].lose_power()
    lost = time.monotonic()

    assert_imported_once(on_hosts.at("web-b", bob), accepted, SMALL)
    ended = assert_imported_once(on_hosts.at("web-b", ada), running, file)
    record_property("recovery", time.monotonic() - lost)
    assert ended["attempts"] == 2
