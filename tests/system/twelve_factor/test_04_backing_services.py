"""Factor IV, backing services: each is attached by its URL only.

One copy of the tree passes the acceptance journey on every pair of services, and no file of it changes. A service is
replaced by a copy or by another kind with a changed URL and a restart.

Seen failing: without a declared driver for MySQL, on the pairs with MariaDB; with a file that `create_app` writes into
the tree, at the comparison of files; with a broker whose certificate is verified, as web does not become ready; with
`sslmode=disable` among the driver's arguments, at `encrypted`; with the database URL as a part of the signing key, at
the old tokens (401); with the first URL kept in a file, at the count of books; without the sweep, at the waiting jobs.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.books.factories import book
from tests.support.services import BROKERS, DATABASES, new_broker, new_database, skip_or_fail
from tests.system.harness.books import make_csv, run_journey
from tests.system.harness.deploy import Deploy, Formation, copy_tree, digests
from tests.system.harness.process import HttpClient
from tests.system.harness.servers import TlsPostgresServer, TlsRedisServer

pytestmark = pytest.mark.services
OVER_TLS = "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One copy of the tree for all tests, which must not change it."""
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
        run_journey(formation)


def test_the_same_files_serve_over_tls_with_self_signed_certificates(tree: Path, tmp_path: Path) -> None:
    """Redis has no port without TLS. PostgreSQL lists which connections are encrypted."""
    with (
        TlsPostgresServer() as database,
        TlsRedisServer() as broker,
        Formation(database.url, broker.url, tmp_path, cwd=tree) as formation,
    ):
        run_journey(formation)
        with psycopg.connect(database.url) as connection:
            clients, encrypted = connection.execute(OVER_TLS).fetchone() or (0, False)
    assert clients > 1
    assert encrypted


def test_a_database_is_replaced_by_a_restored_copy_with_its_url_only(tmp_path: Path) -> None:
    """Sessions and books are those of the original, and web and worker write to the copy."""
    with (
        new_database("postgresql", tmp_path) as original,
        new_database("postgresql", tmp_path) as copy,
        new_broker("rabbitmq", tmp_path) as broker_url,
        Deploy(original, broker_url, tmp_path) as deploy,
    ):
        web = deploy.web()
        ada = web.sign_up()
        assert ada.post("/books", json=book()).status_code == 201
        web.stop()

        restore(original, copy)
        restart(deploy, ada, DATABASE_URL=copy)
        listed = ada.get("/books")
        assert listed.status_code == 200, listed.text
        assert [each["title"] for each in listed.json()["items"]] == ["Emma"]
        assert ada.post("/books", json=book(title="Persuasion", isbn="9780141439686")).status_code == 201
        assert ada.wait_for_job(ada.import_csv(make_csv(10)))["result"]["created"] == 10
        assert (books(original), books(copy)) == (1, 12)


@pytest.mark.parametrize(("before", "after"), [("redis", "rabbitmq"), ("embedded", "redis")])
def test_a_broker_is_replaced_by_another_kind_and_waiting_jobs_are_done(
    before: str, after: str, tmp_path: Path
) -> None:
    """The messages stay in the old broker. The sweep announces the jobs to the new one."""
    with (
        new_database("postgresql", tmp_path) as database_url,
        new_broker(before, tmp_path) as old,
        new_broker(after, tmp_path) as new,
        Deploy(database_url, old, tmp_path) as deploy,
    ):
        web = deploy.web()
        ada = web.sign_up()
        jobs = [ada.import_csv(make_csv(10)) for _ in range(5)]
        assert {ada.get(job).json()["status"] for job in jobs} == {"queued"}
        web.stop()

        restart(deploy, ada, BROKER_URL=new)
        ended = [ada.wait_for_job(job) for job in jobs]
        assert [(job["status"], job["attempts"]) for job in ended] == [("succeeded", 1)] * 5
        assert sum(job["result"]["created"] for job in ended) == 10


def restart(deploy: Deploy, user: HttpClient, **variables: str) -> None:
    """Start web and a worker with other variables, and point the user to the new web process."""
    deploy.variables |= variables
    deploy.worker()
    user.root = deploy.web().url


def restore(original: str, copy: str) -> None:
    """Copy a database into an empty one, with PostgreSQL's own tools."""
    if not (shutil.which("pg_dump") and shutil.which("psql")):
        skip_or_fail("pg_dump and psql are not installed")
    dump = subprocess.check_output(["pg_dump", "--no-owner", original])
    quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--output={os.devnull}"]
    subprocess.run(["psql", *quiet, copy], input=dump, check=True)


def books(url: str) -> int:
    """The number of books in a database."""
    with psycopg.connect(url) as connection:
        return int((connection.execute("SELECT count(*) FROM books").fetchone() or [0])[0])
