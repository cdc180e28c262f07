"""Factor IV, backing services: each is attached by its URL, and by nothing else.

One clean copy of the tree goes the acceptance journey on every pair of services, and no file of it changes. A service
is swapped, for a copy or for another kind, by changing its URL and restarting.

Seen failing: with a driver for MySQL that is not declared, on the pairs with MariaDB; with a file that `create_app`
writes into the tree, at the comparison of its files; with a broker whose certificate is checked, as web does not
become ready; with `sslmode=disable` among the driver's arguments, at `encrypted`; with the database's URL as part of
the signing key, at the tokens of before (401); with the first URL kept in a file, at the count of books; without the
sweep, at the jobs that wait.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.clients import book
from tests.support.services import BROKERS, DATABASES, new_broker, new_database, skip_or_fail
from tests.system.faults.processes import Deploy, csv_of, deploy
from tests.system.faults.servers import own
from tests.system.formation import Formation, HttpClient
from tests.system.twelve_factor.journey import travel
from tests.system.twelve_factor.tls import TlsPostgres, TlsRedis
from tests.system.twelve_factor.trees import copy_tree, digests

pytestmark = pytest.mark.services
OVER_TLS = "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One copy of the tree for all tests, which leave it as it was."""
    tree = copy_tree(tmp_path_factory.mktemp("release") / "tree")
    before = digests(tree)
    yield tree
    assert digests(tree) == before


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("database", DATABASES)
def test_the_same_files_serve_on_every_pair_of_services(tree: Path, database: str, broker: str, tmp_path: Path) -> None:
    with (
        new_database(database, tmp_path) as database_url,
        new_broker(broker, tmp_path) as broker_url,
        Formation(database_url, broker_url, tmp_path, cwd=tree) as formation,
    ):
        travel(formation)


def test_the_same_files_serve_over_tls_with_certificates_that_nobody_has_signed(tree: Path, tmp_path: Path) -> None:
    """Redis has no port without TLS; PostgreSQL tells of each of its connections."""
    with (
        TlsPostgres() as database,
        own(TlsRedis()) as broker,
        Formation(database.url, broker.url, tmp_path, cwd=tree) as formation,
    ):
        travel(formation)
        with psycopg.connect(database.url) as connection:
            clients, encrypted = connection.execute(OVER_TLS).fetchone() or (0, False)
    assert clients > 1
    assert encrypted


def test_a_database_is_swapped_for_a_restored_copy_by_its_url_alone(tmp_path: Path) -> None:
    """Who was logged in still is, finds the same books, and writes into the copy, by web and by worker."""
    with (
        new_database("postgresql", tmp_path) as original,
        new_database("postgresql", tmp_path) as copy,
        new_broker("rabbitmq", tmp_path) as broker_url,
        deploy(original, broker_url, tmp_path) as deployed,
    ):
        web = deployed.web()
        ada = web.user()
        assert ada.post("/books", json=book()).status_code == 201
        web.stop()

        restore(original, copy)
        swap(deployed, ada, DATABASE_URL=copy)
        shelf = ada.get("/books")
        assert shelf.status_code == 200, shelf.text
        assert [each["title"] for each in shelf.json()["items"]] == ["Emma"]
        assert ada.post("/books", json=book(title="Persuasion", isbn="9780141439686")).status_code == 201
        assert ada.finished(ada.import_csv(csv_of(10)))["result"]["created"] == 10
        assert (books(original), books(copy)) == (1, 12)


@pytest.mark.parametrize(("before", "after"), [("redis", "rabbitmq"), ("embedded", "redis")])
def test_a_broker_is_swapped_for_another_kind_and_the_jobs_that_wait_are_done(
    before: str, after: str, tmp_path: Path
) -> None:
    """What the old broker holds stays there: the new one hears of it by the sweep."""
    with (
        new_database("postgresql", tmp_path) as database_url,
        new_broker(before, tmp_path) as old,
        new_broker(after, tmp_path) as new,
        deploy(database_url, old, tmp_path) as deployed,
    ):
        web = deployed.web()
        ada = web.user()
        jobs = [ada.import_csv(csv_of(10)) for _ in range(5)]
        assert {ada.get(job).json()["status"] for job in jobs} == {"queued"}
        web.stop()

        swap(deployed, ada, BROKER_URL=new)
        ended = [ada.finished(job) for job in jobs]
        assert [(job["status"], job["attempts"]) for job in ended] == [("succeeded", 1)] * 5
        assert sum(job["result"]["created"] for job in ended) == 10


def swap(deployed: Deploy, user: HttpClient, **variables: str) -> None:
    """Start web and a worker with other variables, and send the user, and nothing else, to the new web."""
    deployed.variables |= variables
    deployed.worker(ready=False)
    user.root = deployed.web().url


def restore(original: str, copy: str) -> None:
    """Dump a database, and restore it into an empty one, with the tools that PostgreSQL brings."""
    if not (shutil.which("pg_dump") and shutil.which("psql")):
        skip_or_fail("pg_dump and psql are not installed")
    dump = subprocess.check_output(["pg_dump", "--no-owner", original])
    quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--output={os.devnull}"]
    subprocess.run(["psql", *quiet, copy], input=dump, check=True)


def books(url: str) -> int:
    """How many books a database holds."""
    with psycopg.connect(url) as connection:
        return int((connection.execute("SELECT count(*) FROM books").fetchone() or [0])[0])
