"""Redis."""

import shutil
from contextlib import suppress

import redis

from tests.support.services import skip_or_fail
from tests.system.harness.servers.server import Server

# A process title would overwrite the environment, in which the processes of a run are marked.
OPTIONS = ("--save", "", "--appendonly", "no", "--set-proc-title", "no")


class RedisServer(Server):
    """Redis, which keeps nothing on disk."""

    def __init__(self, address: str = "127.0.0.1", *options: str) -> None:
        super().__init__(address)
        if not shutil.which("redis-server"):
            skip_or_fail("redis-server is not installed")
        self.url = f"redis://{address}:{self.port}/0"
        self._options = options

    def command(self) -> list[str]:
        listen = ["--port", str(self.port), "--bind", self.address, "--protected-mode", "no"]
        return ["redis-server", *listen, *OPTIONS, *self._options]

    def answers(self) -> bool:
        with suppress(redis.exceptions.ConnectionError):
            return bool(redis.Redis(self.address, self.port, socket_timeout=5).ping())
        return False
