"""A program that serves HTTP."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import requests

from tests.support.environment import ROOT, Variables, free_port, wait_for
from tests.support.factories import PASSWORD
from tests.system.harness.process.client import HttpClient
from tests.system.harness.process.program import Program


class Service(Program):
    """A program that serves HTTP at `$PORT`."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        variables: Variables,
        *,
        cwd: Path = ROOT,
        separate_stderr: bool = False,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        variables = {"PORT": self.port} | dict(variables)
        super().__init__(command, folder, variables, cwd=cwd, separate_stderr=separate_stderr)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until_ready()
        except BaseException as error:
            self.kill()
            error.add_note(self.log())
            raise
        return self

    def wait_until_ready(self, seconds: float = 120) -> None:
        """Wait until `/readyz` answers 200."""
        wait_for("the service is ready", self.ready, seconds)

    def ready(self) -> bool:
        """Whether `/readyz` answers 200. Fails if the service has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"it has ended: {self.log()}{self.stderr()}")
        try:
            return requests.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except requests.RequestException:
            return False

    def events(self) -> list[dict[str, Any]]:
        """The JSON log events. Under honcho, `process_type` is the name of the process in the Procfile."""
        lines = (re.fullmatch(r"(?:\S+ (\w+)\.\d+ +\| )?(\{.*\})", line) for line in self.log().splitlines())
        return [json.loads(line[2]) | {"process_type": line[1]} for line in lines if line]

    def count_events(self, beginning: str) -> int:
        """Count the events whose message begins with these words."""
        return sum(event["message"].startswith(beginning) for event in self.events())

    def sign_up(self, email: str = "ada@example.org") -> HttpClient:
        """Create a user, and log in."""
        account = {"email": email, "password": PASSWORD}
        answer = HttpClient(self.url).post("/auth/signup", json=account | {"name": "Ada"})
        assert answer.status_code == 201, answer.text
        return self.log_in(email)

    def log_in(self, email: str = "ada@example.org", password: str = PASSWORD) -> HttpClient:
        """Log in."""
        answer = HttpClient(self.url).post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return HttpClient(self.url, answer.json()["access_token"])
