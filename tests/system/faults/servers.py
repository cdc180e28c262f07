"""Brokers of a test's own, on free ports: to be killed, frozen and started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from tests.support.environment import free_port, wait_for
from tests.support.services import skip_or_fail


class BrokerServer(ABC):
    """A server process, in a group of its own."""

    url: str
    command: list[str]
    variables: dict[str, str]

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="broker-"))
        self.address, self.port = address, free_port()
        self.variables = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0  # where the output of the latest start begins

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "output.log").open("ab") as output:
            self._begin = output.tell()
            self._process = subprocess.Popen(
                self.command, env=os.environ | self.variables, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_for(f"{self.command[0]} answers", self.answers, 40)

    @abstractmethod
    def answers(self) -> bool:
        """Whether clients can connect."""

    def send(self, number: int) -> None:
        """Signal every process of the server."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it at once; what it holds in memory is gone."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait(10)
            wait_for(f"the port of {self.command[0]} is free", self._left)

    def _left(self) -> bool:
        """Whether all its processes are gone, and so its port is free: the first does not wait for the others."""
        with suppress(OSError):
            socket.create_server((self.address, self.port)).close()
            return True
        return False

    def freeze(self) -> None:
        """Stop it, with its connections open."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)


class RedisServer(BrokerServer):
    """Redis, which keeps nothing on disk."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__(address)
        if not shutil.which("redis-server"):
            skip_or_fail("redis-server is not installed")
        self.url = f"redis://{address}:{self.port}/0"
        self.command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            address,
            "--protected-mode",
            "no",
            "--save",
            "",
            "--appendonly",
            "no",
        ]

    def answers(self) -> bool:
        with suppress(redis.exceptions.ConnectionError):
            return bool(redis.Redis(self.address, self.port, socket_timeout=2).ping())
        return False


class RabbitServer(BrokerServer):
    """RabbitMQ, a node of its own that keeps its durable queues in a temporary folder."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__(address)
        found = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin") or shutil.which("rabbitmq-server")
        if not found:
            skip_or_fail("rabbitmq-server is not installed")
        self.url = f"amqp://guest:guest@{address}:{self.port}//"
        self.command = [str(found)]
        settings = self.folder / "rabbitmq.conf"
        settings.write_text(f"listeners.tcp.1 = {address}:{self.port}\nloopback_users = none\n")
        self.variables = {
            "HOME": str(self.folder),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(settings),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": address,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def answers(self) -> bool:
        return b"completed with" in (self.folder / "output.log").read_bytes()[self._begin :]


@contextmanager
def own(server: BrokerServer) -> Iterator[BrokerServer]:
    """Run a server for a while."""
    try:
        server.start()
        yield server
    finally:
        server.thaw()
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)
