"""MariaDB."""

import os
import pwd
import shutil
import socket
import subprocess
from contextlib import suppress

import pymysql

from tests.support.services import skip_or_fail
from tests.system.harness.servers.server import Server


class MariaDBServer(Server):
    """MariaDB. Committed data survives a crash of the process, not of the machine."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__(address)
        if not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
            skip_or_fail("no MariaDB server is installed")
        self.url = f"mysql://root@{address}:{self.port}/barah"

    def prepare(self) -> None:
        super().prepare()
        user = pwd.getpwuid(os.geteuid())
        if os.geteuid() == 0:
            user = pwd.getpwnam("mysql")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._options = [f"--user={user.pw_name}", f"--datadir={self.folder}/data"]
        install = ["mariadb-install-db", "--no-defaults", *self._options, "--auth-root-authentication-method=normal"]
        done = subprocess.run([*install, "--skip-test-db"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        super().start()
        with pymysql.connect(unix_socket=f"{self.folder}/socket", user="root") as connection:
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS barah")
            connection.cursor().execute("GRANT ALL ON *.* TO root@'%' IDENTIFIED BY ''")

    def command(self) -> list[str]:
        address = [f"--port={self.port}", f"--bind-address={self.address}", f"--socket={self.folder}/socket"]
        quick = ["--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2"]
        return ["mariadbd", "--no-defaults", *self._options, *address, *quick]

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((self.address, self.port), timeout=5) as probe:
            return bool(probe.recv(1))
        return False
