"""Database servers of a test's own, on free ports: to be killed, frozen and started again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, Self

import pymysql

from tests.support.environment import free_port, wait_for
from tests.support.services import skip_or_fail
from tests.system.formation import children_of
from tests.system.processes.postgres import PostgresServer


class DatabaseServer(Protocol):
    """What tests do to a server."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def processes(self) -> list[int]: ...


class Postgres(PostgresServer):
    """PostgreSQL."""

    def processes(self) -> list[int]:
        """The server's process, and one for each connection."""
        first = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        return [first, *children_of(first)]


class MariaDB:
    """MariaDB, one process. What is committed outlives it, not the machine."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        if not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
            skip_or_fail("no MariaDB server is installed")
        self.address, self.port = address, free_port()
        self.url = f"mysql://root@{address}:{self.port}/barah"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
        user = pwd.getpwnam("mysql") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._options = [f"--user={user.pw_name}", f"--datadir={self._folder}/data"]
        install = ["mariadb-install-db", "--no-defaults", *self._options, "--auth-root-authentication-method=normal"]
        try:
            subprocess.run([*install, "--skip-test-db"], check=True, capture_output=True, timeout=60)
            self.start()
            with pymysql.connect(unix_socket=f"{self._folder}/socket", user="root") as connection:
                connection.cursor().execute("CREATE DATABASE barah")
                connection.cursor().execute("GRANT ALL ON *.* TO root@'%' IDENTIFIED BY ''")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start, and wait until it answers."""
        address = [f"--port={self.port}", f"--bind-address={self.address}", f"--socket={self._folder}/socket"]
        quick = ["--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2", f"--log-error={self._folder}/error.log"]
        command = ["mariadbd", "--no-defaults", *self._options, *address, *quick]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_for("MariaDB answers", self._answers, 40)

    def stop(self) -> None:
        """Stop as if it had crashed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def processes(self) -> list[int]:
        """The server's process."""
        assert self._process is not None, "not started"
        return [self._process.pid]

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((self.address, self.port), timeout=1) as probe:
            return bool(probe.recv(1))
        return False


SERVERS: dict[str, type[Postgres] | type[MariaDB]] = {"postgresql": Postgres, "mariadb": MariaDB}


@contextmanager
def frozen(server: DatabaseServer) -> Iterator[None]:
    """Stop every process of a server, with its connections open."""
    processes = server.processes()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
