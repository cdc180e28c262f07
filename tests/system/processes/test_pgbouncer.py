"""PgBouncer in transaction mode: each transaction may use another of the server's few connections.

Seen failing without `prepare_threshold=None`: a statement that one connection has prepared does not exist on the next.
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
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Formation
from tests.system.harness.process import Program, run_command


def listens(port: int) -> bool:
    """Whether a process listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def pgbouncer(server: str, connections: int, folder: Path) -> Iterator[str]:
    """Run PgBouncer in front of a database. Yields its URL."""
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
def test_the_service_runs_behind_a_pooler_with_fewer_connections_than_threads(tmp_path: Path) -> None:
    with (
        new_database("postgresql", tmp_path) as database,
        new_broker("redis", tmp_path) as broker,
        pgbouncer(database, 3, tmp_path) as url,
        Formation(url, broker, tmp_path) as formation,
        ThreadPoolExecutor(8) as clients,
    ):
        ada = formation.sign_up()
        jobs = [ada.import_csv(make_csv(1_000)) for _ in range(2)]

        def visit(_: int) -> Counter[int]:
            client = ada.at(formation.url)
            return Counter(client.get("/books").status_code for _ in range(20))

        assert sum(clients.map(visit, range(8)), Counter[int]()) == {200: 160}
        assert [ada.wait_for_job(job)["status"] for job in jobs] == ["succeeded"] * 2
        assert [ada.wait_for_job(job)["attempts"] for job in jobs] == [1, 1]
        held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
        with psycopg.connect(database) as connection:
            assert (connection.execute(held).fetchone() or [0])[0] <= 3
        formation.wait_until_ready()

        code, report = run_command(formation.variables | {"WEB_CONCURRENCY": 50}, "flask", "doctor", "--release")
        assert code == 0, report  # the limit of the server does not count a pooler's clients
