"""A database or broker server that belongs to a test, which may kill, freeze and restart it."""

import shutil
import signal
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from tests.support.environment import free_port, wait_for
from tests.system.harness.process import Program
from tests.system.harness.run import run_name


class Server(ABC):
    """A server on a free port, with its data in a temporary folder.

    Attributes:
        url: How clients connect to it.
        stop_signal: Ends it as a crash does.
    """

    url: str
    stop_signal = signal.SIGKILL

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address, self.port = address, free_port()
        self.folder = Path()
        self._program: Program | None = None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self.stop()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def command(self) -> list[str]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether clients can connect."""

    def prepare(self) -> None:
        """Create the folder, and what the server needs before its first start."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"{run_name()}-"))

    def variables(self) -> dict[str, str]:
        """The environment of the server."""
        return {}

    def start(self) -> None:
        """Start, and wait until clients can connect."""
        self._program = program = Program(self.command(), self.folder, self.variables(), cwd=self.folder)
        program.start()

        def answers() -> bool:
            assert program.is_running, f"{program.command[0]} has ended: {program.log()}"
            return self.answers()

        wait_for(f"{program.command[0]} answers", answers)

    def stop(self) -> None:
        """End the server as a crash does. What it has only in memory is lost."""
        if self._program is not None:
            self._program.stop(self.stop_signal)
            wait_for(f"port {self.port} is free", self._port_is_free)

    def log(self) -> str:
        """What the server has printed since the latest start."""
        return self._program.log() if self._program else ""

    def freeze(self) -> None:
        """Stop all processes of the server. Its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server continue."""
        self._signal(signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the server for a while."""
        self.freeze()
        try:
            yield
        finally:
            self.resume()

    def _signal(self, number: int) -> None:
        if self._program is not None:
            self._program.send_to_all(number)

    def _port_is_free(self) -> bool:
        with suppress(OSError):
            socket.create_server((self.address, self.port)).close()
            return True
        return False
