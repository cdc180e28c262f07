"""A pooler in front of PostgreSQL, in transaction mode: each transaction may meet another of the few connections.

Seen failing without `prepare_threshold=None`: what one connection has prepared, the next does not know.
"""

import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.support.environment import free_port, wait_for
from tests.support.services import new_broker, new_database, skip_or_fail
from tests.system.faults.processes import csv_of
from tests.system.formation import Formation, HttpClient, Program


def listens(port: int) -> bool:
    """Whether somebody does, at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def pgbouncer(server: str, connections: int, folder: Path) -> Iterator[str]:
    """Put PgBouncer in front of a database; yields the URL to use instead of the database's own."""
    if not shutil.which("pgbouncer"):
        skip_or_fail("pgbouncer is not installed")
    parts, port = urlsplit(server), free_port()
    name, user = parts.path[1:], parts.username or "postgres"
    target = f"host={parts.hostname} port={parts.port} user={user} password={parts.password or ''}"
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = {target} dbname={name}\n"
        f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\nauth_type=any\n"
        f"pool_mode=transaction\ndefault_pool_size={connections}\n"
    )
    folder.chmod(0o755)
    command = ["pgbouncer", "--quiet", "--user=nobody", str(folder / "pgbouncer.ini")]
    with Program(command, folder, {}):
        wait_for("the pooler listens", lambda: listens(port))
        yield urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}"))


@pytest.mark.services
def test_the_service_runs_behind_a_pooler_with_fewer_connections_than_it_has_threads(tmp_path: Path) -> None:
    """What was prepared on one connection is not there on the next: a statement that relied on it would fail."""
    with (
        new_database("postgresql", tmp_path) as database,
        new_broker("redis", tmp_path) as broker,
        pgbouncer(database, 3, tmp_path) as url,
        Formation(url, broker, tmp_path) as formation,
        ThreadPoolExecutor(8) as clients,
    ):
        ada = formation.user()
        jobs = [ada.import_csv(csv_of(1_000)) for _ in range(2)]

        def visit(_: int) -> Counter[int]:
            client = HttpClient(formation.url)
            client.headers.update(ada.headers)
            return Counter(client.get("/books").status_code for _ in range(20))

        assert sum(clients.map(visit, range(8)), Counter[int]()) == {200: 160}
        assert [ada.finished(job)["status"] for job in jobs] == ["succeeded"] * 2
        assert [ada.finished(job)["attempts"] for job in jobs] == [1, 1]
        held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
        with psycopg.connect(database) as connection:
            assert (connection.execute(held).fetchone() or [0])[0] <= 3
        wait_for("it is ready", formation.ready)

        doctor = Program(["flask", "doctor", "--release"], tmp_path, formation.variables | {"WEB_CONCURRENCY": 50})
        doctor.start()
        assert doctor.wait() == 0, doctor.log()  # a pooler's clients are not the server's
