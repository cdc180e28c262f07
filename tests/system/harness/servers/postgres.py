"""PostgreSQL."""

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.support.services import skip_or_fail
from tests.system.harness.servers.server import Server


class PostgresServer(Server):
    """PostgreSQL. It refuses to run as root, so root runs it as another user."""

    stop_signal = signal.SIGQUIT  # "immediate" shutdown: the next start recovers from the log, as after a crash

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__(address)
        self.url = f"postgresql://postgres@{address}:{self.port}/postgres"
        self.settings = [f"listen_addresses={address}", "fsync=off"]
        self._bin = _binaries()
        self._as_user: list[str] = []

    def prepare(self) -> None:
        super().prepare()
        if os.geteuid() == 0:
            user = _unprivileged_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        create = ["initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]
        command = [*self._as_user, str(self._bin / create[0]), f"--pgdata={self.folder}/data", *create[1:]]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")

    def command(self) -> list[str]:
        options = ["-D", f"{self.folder}/data", "-p", str(self.port), "-k", str(self.folder)]
        return [*self._as_user, str(self._bin / "postgres"), *options, *(f"--{each}" for each in self.settings)]

    def answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=5).close()
            return True
        return False


def _binaries() -> Path:
    """The folder of the newest server that is installed. Debian keeps it off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        skip_or_fail("no PostgreSQL server is installed")
    return found[-1].parent if found else Path(on_path or "").resolve().parent


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    skip_or_fail("there is no user postgres or nobody")
    raise AssertionError
