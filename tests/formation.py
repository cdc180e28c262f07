"""Real processes: the formation that honcho starts from the Procfile, and a client that speaks HTTP with it."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.clients import PASSWORD

Answer = TypeVar("Answer")
ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def free_port() -> int:
    """A port that nobody has, at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, probe: Callable[[], Answer], seconds: float = 30) -> Answer:
    """Ask again and again until the answer is true."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


class Formation:
    """Web, worker and release, as one `honcho start` runs them."""

    def __init__(self, database_url: str, broker_url: str, folder: Path, **variables: str | int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = folder / "output.log"
        self.env_file = folder / "formation.env"
        self.variables: dict[str, str] = {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SECRET_KEY": secrets.token_hex(32),
            "PORT": str(self.port),
            "LOG_FORMAT": "json",
        } | {name: str(value) for name, value in variables.items()}
        self._honcho: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Formation":
        self.start()
        wait_for("the formation is ready", self.ready)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start without waiting."""
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))
        command = [str(BIN / "honcho"), "--env", str(self.env_file), "--no-colour", "start"]
        environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
        with self.output.open("ab") as output:
            self._honcho = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def stop(self, sign: int = signal.SIGINT, seconds: float = 30) -> int:
        """Send the signal to the whole process group, as Ctrl-C does, and wait for the exit code."""
        assert self._honcho is not None
        if self._honcho.poll() is None:
            os.killpg(self._honcho.pid, sign)
        try:
            return self._honcho.wait(seconds)
        finally:
            self.kill_group()

    def kill_group(self) -> None:
        """Leave nothing behind."""
        assert self._honcho is not None
        with suppress(ProcessLookupError):
            os.killpg(self._honcho.pid, signal.SIGKILL)
        self._honcho.wait(10)

    def wait(self, seconds: float = 30) -> int:
        """Wait until honcho ends by itself."""
        assert self._honcho is not None
        return self._honcho.wait(seconds)

    def ready(self) -> bool:
        """Whether `/readyz` says so; a formation that has ended is an error."""
        assert self._honcho is not None
        if self._honcho.poll() is not None:
            raise AssertionError(f"the formation ended: {self.log()}")
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def log(self) -> str:
        """Everything that the formation has printed."""
        return self.output.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """The JSON events of all processes, each with its `process` of the Procfile."""
        lines = (re.fullmatch(r"\S+ (\w+)\.\d+ +\| (\{.*\})", line) for line in self.log().splitlines())
        return [json.loads(line[2]) | {"formation": line[1]} for line in lines if line]

    def pid(self, process: str) -> int:
        """The process id of `web`, `worker` or `release`."""
        return int(re.findall(rf"{process}\.1 started \(pid=(\d+)\)", self.log())[-1])

    def user(self, email: str = "ada@example.org") -> "HttpClient":
        """Sign a user up, and in."""
        client = HttpClient(self.url)
        account = {"email": email, "password": PASSWORD}
        assert client.post("/auth/signup", json=account | {"name": "Ada"}).status_code == 201
        tokens = client.post("/auth/login", json=account).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return client


class HttpClient(requests.Session):
    """Speaks with a running service; paths are below `/api/v1`."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.root = url

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", 30)
        path = str(url) if str(url).startswith("/api/v1") else f"/api/v1{url!s}"
        return super().request(method, self.root + path, *args, **options)

    def import_csv(self, content: bytes) -> str:
        """Upload a CSV file, and return the path of its job."""
        response = self.post("/books/imports", data=content, headers={"Content-Type": "text/csv"})
        assert response.status_code == 202, response.text
        return str(response.headers["Location"])

    def finished(self, job: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a job has ended, and return it."""

        def ended() -> dict[str, Any] | None:
            answer: dict[str, Any] = self.get(job).json()
            return answer if answer["status"] not in ("queued", "running") else None

        return wait_for(f"{job} has ended", ended, seconds) or {}
