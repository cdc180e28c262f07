"""A command that runs in the background."""

import os
import signal
import subprocess
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Self

from tests.support.environment import ROOT, Variables, environment
from tests.system.harness import process_table
from tests.system.harness.run import run_name

_numbers = count(1)


class Program:
    """A command in a session of its own. Its output goes to a file, and its descendants end with it.

    Attributes:
        mark: In the environment of all its processes, see `process_table.VARIABLE`.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        variables: Variables,
        *,
        cwd: Path = ROOT,
        separate_stderr: bool = False,
    ) -> None:
        number = next(_numbers)
        self.command, self.cwd, self.variables = list(command), cwd, dict(variables)
        self.mark = f"{run_name()}/{number}"
        self.output = folder / f"{number}-{Path(command[0]).name}.log"
        self._errors = self.output.with_suffix(".err") if separate_stderr else None
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0  # where the output of the latest start begins

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process of the latest start."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start without waiting."""
        with self.output.open("ab") as output, (self._errors or self.output).open("ab") as errors:
            self._begin = output.tell()
            self._process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=environment(self.variables) | {process_table.VARIABLE: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    def send(self, number: int) -> None:
        """Send a signal to the process group, as a terminal does on Ctrl-C."""
        if self.is_running:
            os.killpg(self.process.pid, number)

    def send_to_all(self, number: int) -> None:
        """Send a signal to each of its processes, in whatever process group."""
        process_table.send_signal(number, self.mark, *self._roots())

    def wait(self, seconds: float = 90) -> int:
        """Wait for the exit code."""
        return self.process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 90) -> int:
        """Send a signal to the process group, wait for the exit code, and kill what is left."""
        self.send(number)
        try:
            return self.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill all its processes (SIGKILL)."""
        if self._process is not None:
            process_table.kill_marked(self.mark, *self._roots())
            self._process.wait(60)

    def pids(self) -> set[int]:
        """Its living processes."""
        return process_table.marked(self.mark, *self._roots())

    def processes(self) -> list[str]:
        """Its living processes, as `PID COMMAND`."""
        return [process_table.command_line(pid) for pid in sorted(self.pids())]

    def log(self) -> str:
        """Everything printed since the latest start, without stderr if that is separate."""
        return self.output.read_bytes()[self._begin :].decode(errors="replace")

    def stderr(self) -> str:
        """What was printed to stderr, if that is separate."""
        return self._errors.read_text() if self._errors else ""

    def _roots(self) -> list[int]:
        return [self.process.pid] if self.is_running else []  # an ended process's id may be reused
