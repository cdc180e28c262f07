"""RabbitMQ."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.environment import environment, free_port
from tests.support.services import skip_or_fail
from tests.system.harness.servers.server import Server


class RabbitServer(Server):
    """A RabbitMQ node with its own port mapper. Its durable queues survive a restart."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__(address)
        found = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin") or shutil.which("rabbitmq-server")
        if not found:
            skip_or_fail("rabbitmq-server is not installed")
        self.url = f"amqp://guest:guest@{address}:{self.port}//"
        self._bin = Path(str(found)).parent
        self._ports = {"ERL_EPMD_PORT": str(free_port()), "RABBITMQ_DIST_PORT": str(free_port())}

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {self.address}:{self.port}\nloopback_users = none\n"
        )

    def command(self) -> list[str]:
        return [str(self._bin / "rabbitmq-server")]

    def variables(self) -> dict[str, str]:
        return self._ports | {
            "HOME": str(self.folder),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": self.address,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def answers(self) -> bool:
        return "completed with" in self.log()

    def rabbitmqctl(self, *arguments: str) -> None:
        """Run `rabbitmqctl` on this node."""
        command = [str(self._bin / "rabbitmqctl"), "--node", self.variables()["RABBITMQ_NODENAME"], *arguments]
        subprocess.run(command, env=environment(self.variables()), check=True, capture_output=True, timeout=120)
