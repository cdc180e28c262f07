"""Real processes: a program, a web process, the formation that honcho starts, and a client that speaks HTTP with it."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import requests
from honcho.environ import parse_procfile

from tests.support.clients import PASSWORD
from tests.support.environment import ROOT, Variables, environment, free_port, service_variables, wait_for

LINES: dict[str, str] = dict(parse_procfile((ROOT / "Procfile").read_text()).processes)  # as honcho reads them


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]


class Program:
    """A command in a session of its own. What it prints is kept; of its processes, nothing stays behind."""

    apart = False  # whether what goes to stderr is kept apart, in `errors`

    def __init__(self, command: Sequence[str], folder: Path, variables: Variables, *, cwd: Path = ROOT) -> None:
        self.command, self.cwd = command, cwd
        self.output = folder / f"{Path(command[0]).name}.log"
        self.errors = self.output.with_suffix(".err")
        self.variables = dict(variables)
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0  # where this start's output begins: process ids of an earlier one may be others' by now

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def started(self) -> bool:
        """Whether it was."""
        return self._process is not None

    def start(self) -> None:
        """Start without waiting."""
        with self.output.open("ab") as output, self.errors.open("ab") as errors:
            self._begin = output.tell()
            self._process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=environment(self.variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors if self.apart else subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, sign: int) -> None:
        """Send a signal to the process group, as a terminal does on Ctrl-C."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, sign)

    def wait(self, seconds: float = 30) -> int:
        """Wait for the exit code."""
        return self.process.wait(seconds)

    def stop(self, sign: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal (unless told otherwise, the one that platforms send), wait for the exit code, and clean up."""
        self.send(sign)
        try:
            return self.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """Leave nothing behind."""
        for group in self._groups():
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.wait(10)

    def processes(self) -> list[str]:
        """The program's living processes."""
        listed = subprocess.check_output(["ps", "-eo", "pgid=,stat=,pid=,args="], text=True)
        rows = [line.split(maxsplit=2) for line in listed.splitlines()]
        return [row[2] for row in rows if int(row[0]) in self._groups() and not row[1].startswith("Z")]

    def log(self) -> str:
        """Everything that was printed since the start."""
        return self.output.read_bytes()[self._begin :].decode(errors="replace")

    def _groups(self) -> set[int]:
        # honcho gives each of its processes a session, and so a group, of its own.
        return {self.process.pid, *map(int, re.findall(r" started \(pid=(\d+)\)", self.log()))}


class Service(Program):
    """A program that answers HTTP at `$PORT`."""

    def __init__(self, command: Sequence[str], folder: Path, variables: Variables, *, cwd: Path = ROOT) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(command, folder, {"PORT": self.port} | dict(variables), cwd=cwd)

    def __enter__(self) -> Self:
        self.start()
        try:
            wait_for("the service is ready", self.ready)
        except BaseException as error:
            self.kill()
            error.add_note(self.log())
            raise
        return self

    def ready(self) -> bool:
        """Whether `/readyz` says so; a service that has ended is an error."""
        if self.process.poll() is not None:
            raise AssertionError(f"it has ended: {self.log()}")
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def events(self) -> list[dict[str, Any]]:
        """The JSON events of all processes; under honcho each says in `formation` whose it is."""
        lines = (re.fullmatch(r"(?:\S+ (\w+)\.\d+ +\| )?(\{.*\})", line) for line in self.log().splitlines())
        return [json.loads(line[2]) | {"formation": line[1]} for line in lines if line]

    def user(self, email: str = "ada@example.org") -> "HttpClient":
        """Sign a user up, and in."""
        client = HttpClient(self.url)
        account = {"email": email, "password": PASSWORD}
        answer = client.post("/auth/signup", json=account | {"name": "Ada"})
        assert answer.status_code == 201, answer.text
        tokens = client.post("/auth/login", json=account).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return client


class Web(Service):
    """The web process alone."""

    def __init__(self, database_url: str, broker_url: str, folder: Path, **variables: str | int) -> None:
        super().__init__(LINES["web"].split(), folder, service_variables(database_url, broker_url) | variables)


class Formation(Service):
    """Web, worker and release, as one `honcho start` runs them."""

    def __init__(
        self, database_url: str, broker_url: str, folder: Path, *, cwd: Path = ROOT, **variables: str | int
    ) -> None:
        command = ["honcho", "--env", os.devnull, "--no-colour", "start"]
        super().__init__(command, folder, service_variables(database_url, broker_url) | variables, cwd=cwd)

    def pid(self, process: str) -> int:
        """The process id, and so the group, of `web`, `worker` or `release`: a shell's, with the process below it."""
        return int(re.findall(rf"{process}\.1 started \(pid=(\d+)\)", self.log())[-1])


class HttpClient(requests.Session):
    """Speaks with a running service; paths are below `/api/v1`."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.root = url

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", 30)
        path = str(url) if str(url).startswith("/api/v1") else f"/api/v1{url!s}"
        return super().request(method, self.root + path, *args, **options)

    def import_csv(self, content: bytes, **headers: str) -> str:
        """Upload a CSV file, and return the path of its job."""
        response = self.post("/books/imports", data=content, headers={"Content-Type": "text/csv"} | headers)
        assert response.status_code == 202, response.text
        return str(response.headers["Location"])

    def finished(self, job: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a job has ended, and return it."""

        def ended() -> dict[str, Any] | None:
            answer: dict[str, Any] = self.get(job).json()
            return answer if answer["status"] not in ("queued", "running") else None

        return wait_for(f"{job} has ended", ended, seconds) or {}
