"""The service under a real supervisord, set up with the commands of `docs/deploy.md`."""

import getpass
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import randrange

from tests.support.environment import BIN, environment, service_variables
from tests.support.services import new_broker, new_database
from tests.system.harness.deploy import copy_tree
from tests.system.harness.process import Service

EXPORT = """\
honcho export --template-dir docs/honcho --app barah --user barah --log /var/log/supervisor \\
  --concurrency web=2,release=0 supervisord /etc/supervisor/conf.d
"""
EXPORT_UNITS = """\
honcho export --template-dir docs/honcho --app barah --user barah \\
  --concurrency web=2,release=0 systemd /etc/systemd/system
"""
RELEASE = "dotenv run --no-override bin/release\n"
RESTART = """\
for web in 0 1; do
  supervisorctl restart barah:web-$((web + 1))
  curl -fsS -o /dev/null --retry 30 --retry-delay 1 --retry-connrefused http://localhost:$((5000 + web))/readyz
done
supervisorctl restart barah:worker-1
"""
CONFIGURATION = """\
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/supervisord.pid
[unix_http_server]
file={folder}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/supervisor.sock
[include]
files={folder}/conf.d/*.conf
"""


class Checkout:
    """The tree as an operator installs it: with an environment, and an `.env` that only its user can read."""

    def __init__(self, database_url: str, broker_url: str, folder: Path) -> None:
        self.folder, self.tree = folder, copy_tree(folder / "barah")
        self.port = two_free_ports()
        self.variables = service_variables(database_url, broker_url) | {"PORT": self.port, "WORKER_CONCURRENCY": 1}
        (self.tree / ".venv").symlink_to(BIN.parent)
        (self.tree / ".env").touch(0o600)
        (self.tree / ".env").write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))

    def run(self, script: str) -> str:
        """Run commands of the documentation, with the test's folders, ports and user instead."""
        replacements = {
            "--user barah": f"--user {getpass.getuser()}",
            "/var/log/supervisor": str(self.folder),
            "/etc/supervisor/conf.d": str(self.folder / "conf.d"),
            "/etc/systemd/system": str(self.folder / "units"),
            "supervisorctl": f"supervisorctl --configuration {self.folder}/supervisord.conf",
            "5000": str(self.port),
        }
        script = re.sub("|".join(replacements), lambda found: replacements[found[0]], script)
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=self.tree, env=environment({}), capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Supervisor(Service):
    """A supervisord. Its `url` is that of the first web process."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout, self.run = checkout, checkout.run
        configuration = checkout.folder / "supervisord.conf"
        configuration.write_text(CONFIGURATION.format(folder=checkout.folder))
        super().__init__(["supervisord", "--configuration", str(configuration)], checkout.folder, {})
        self.variables = {}  # each of its processes has its own port
        self._seen: dict[str, int] = {}
        self.urls = [f"http://127.0.0.1:{checkout.port + number}" for number in (0, 1)]
        self.url = self.urls[0]

    def pid(self, name: str) -> int:
        """The process id, which is also the process group; 0 while the process does not run."""
        found = re.search(rf"barah:{name} +RUNNING +pid (\d+)", self.run("supervisorctl status || true"))
        return int(found[1]) if found else 0

    def replaced(self, name: str, killed: int) -> bool:
        """Whether another process runs instead of the killed one."""
        return self.pid(name) not in (0, killed)

    def log_of(self, name: str) -> str:
        """What supervisord or one of its processes has printed since `skip_logs`."""
        return self._printed(name)[self._seen.get(name, 0) :]

    def skip_logs(self) -> None:
        """Ignore what was printed so far."""
        self._seen = {name: len(self._printed(name)) for name in ("supervisord", "web-1", "web-2", "worker-1")}

    def _printed(self, name: str) -> str:
        file = self.output if name == "supervisord" else self.checkout.folder / f"barah-{name}.log"
        return file.read_text()


@contextmanager
def supervised(folder: Path) -> Iterator[Supervisor]:
    """The service on PostgreSQL and RabbitMQ, exported, released and started as documented."""
    with ExitStack() as stack:
        database = stack.enter_context(new_database("postgresql", folder))
        checkout = Checkout(database, stack.enter_context(new_broker("rabbitmq", folder)), folder)
        checkout.run(EXPORT + RELEASE)
        yield stack.enter_context(Supervisor(checkout))


def two_free_ports() -> int:
    """Find two successive free ports, below the kernel's range of ephemeral ports."""
    while True:
        port = randrange(20_000, 30_000)
        with suppress(OSError), socket.create_server(("", port)), socket.create_server(("", port + 1)):
            return port
