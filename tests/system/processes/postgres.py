"""A PostgreSQL server of a test's own, to be stopped and started at will."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.support.environment import free_port
from tests.support.services import skip_or_fail


class PostgresServer:
    """A server on a free port, with its data in a temporary folder; it refuses to run as root, so it does not."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.port = free_port()
        self.url = f"postgresql://postgres@{address}:{self.port}/postgres"
        self._bin = _binaries()
        self._as_user: list[str] = []
        self._settings = [f"listen_addresses={address}", "fsync=off"]

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            if os.geteuid() == 0:
                user = _unprivileged_user()
                os.chown(self._folder, user.pw_uid, user.pw_gid)
                self._as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            self._run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8")
            with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if (self._folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = " ".join([f"-p {self.port} -k {self._folder}", *(f"-c {setting}" for setting in self._settings)])
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={self._folder}/log", f"--options={options}")

    def stop(self) -> None:
        """Stop as if the machine had lost its power."""
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._bin / program), f"--pgdata={self._folder}/data", *arguments]
        # No pipes: the server would inherit them, and their end would never come.
        with (self._folder / "commands.log").open("ab") as log:
            done = subprocess.run(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60, check=False
            )
        assert done.returncode == 0, (self._folder / "commands.log").read_text()


def _binaries() -> Path:
    """The folder of the newest server that is installed; Debian keeps it off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        skip_or_fail("no PostgreSQL server is installed")
    return found[-1].parent if found else Path(on_path or "").resolve().parent


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    skip_or_fail("there is no user postgres or nobody")
    raise AssertionError
