"""A release with its processes, as the Procfile has them: all that they print, and the files they write."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.clients import PASSWORD
from tests.support.environment import service_variables, wait_for
from tests.system.faults.processes import Worker
from tests.system.formation import LINES, HttpClient, Program, Service
from tests.system.twelve_factor.ecs import Event, read

RELEASE = "v42-0123abc"
WRONG_PASSWORD = "not the password at all"
ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}
CALLS = """
    open openat openat2 creat rename renameat renameat2 mkdir mkdirat mknod mknodat unlink unlinkat rmdir
    link linkat symlink symlinkat truncate bind
"""
READING = re.compile(r"open(?!.*(?:O_WRONLY|O_RDWR|O_CREAT|O_TRUNC))|bind(?!.*sun_path=\")|.* = -1 ")


@dataclass
class Life:
    """One release with its processes: what they are given, what they print, and which files they write."""

    folder: Path
    variables: dict[str, str | int]
    watched: bool = False  # whether its system calls are
    programs: dict[str, Program] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    early: dict[str, str] = field(default_factory=dict)  # what was printed when the upload's job had ended
    job: str = ""  # of the upload
    problem: dict[str, Any] = field(default_factory=dict)  # what was answered to the mistake

    def __post_init__(self) -> None:
        self.secrets += [PASSWORD, WRONG_PASSWORD, str(self.variables["SECRET_KEY"])]
        for name in ("DATABASE_URL", "BROKER_URL"):
            if password := urlsplit(str(self.variables[name])).password:
                self.secrets.append(password if password != "guest" else ":guest@")

    def web(self) -> Service:
        """Web, not yet started."""
        web = Service(self._command("web"), self._place("web"), self.variables)
        self._keep("web", web)
        return web

    def worker(self) -> Worker:
        """A worker, not yet started."""
        worker = Worker(self._command("worker"), self._place("worker"), self.variables)
        self._keep("worker", worker)
        return worker

    def release(self) -> Program:
        """The release, not yet started."""
        release = Program(self._command("release"), self._place("release"), self.variables)
        self._keep("release", release)
        return release

    def events(self, *processes: str) -> list[Event]:
        """What these processes have logged, or all."""
        named = processes or tuple(self.programs)
        return [read(line) for name in named for line in self.programs[name].log().splitlines()]

    def said(self, process: str, pattern: str) -> re.Match[str] | None:
        """The last message of a process that a pattern matches."""
        messages = [event["message"] for event in self.events(process)]
        return next((match for message in reversed(messages) if (match := re.search(pattern, message))), None)

    def hears(self, process: str, pattern: str, seconds: float = 40) -> re.Match[str]:
        """Wait until a process has said it, while it runs."""
        found = wait_for(f"{process} says {pattern}", lambda: self.said(process, pattern), seconds)
        assert found is not None
        return found

    def printed(self) -> str:
        """Everything, on stdout and stderr."""
        return "".join(program.log() + program.errors.read_text() for program in self.programs.values())

    def written(self) -> set[str]:
        """The paths that were opened for writing, made, moved or removed."""
        calls = [call for trace in self.folder.glob("*/calls.*") for call in trace.read_text().splitlines()]
        return {path for call in calls if not READING.match(call) for path in re.findall(r'"([^"]*)"', call)}

    def log_in(self, web: Service) -> HttpClient:
        """Sign up, fail to log in, and log in."""
        user = HttpClient(web.url)
        user.post("/auth/signup", json=ACCOUNT | {"name": "Ada"})
        user.post("/auth/login", json=ACCOUNT | {"password": WRONG_PASSWORD})
        tokens = user.post("/auth/login", json=ACCOUNT).json()
        self.secrets += [tokens["access_token"], tokens["refresh_token"]]
        user.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return user

    def close(self) -> None:
        """Leave no process behind."""
        for program in self.programs.values():
            if program.started:
                program.kill()

    def _keep(self, name: str, program: Program) -> None:
        program.apart = True
        self.programs[name] = program

    def _place(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def _command(self, name: str) -> list[str]:
        command = shlex.split(LINES[name])
        if not self.watched:
            return command
        calls = ",".join(f"?{call}" for call in CALLS.split())  # some machines do without some of them
        watch = ["strace", "-ff", "-qq", "--seccomp-bpf", "-e", f"trace={calls}", "-e", "signal=none"]
        return [*watch, "-o", str(self.folder / name / "calls"), *command]


def can_watch() -> bool:
    """Whether system calls can be watched here."""
    with suppress(OSError):
        return subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0
    return False


@contextmanager
def life(folder: Path, database_url: str, broker_url: str, **variables: str | int) -> Iterator[Life]:
    """A life on these services, of which nothing is left in the end. Nobody sets PYTHONUNBUFFERED."""
    plain = {"PYTHONUNBUFFERED": "", "LOG_FORMAT": "json", "GIT_REV": RELEASE, "TZ": "Asia/Kolkata"}
    small = {"WEB_CONCURRENCY": 1, "WORKER_CONCURRENCY": 1}
    alive = Life(folder, plain | small | service_variables(database_url, broker_url) | variables)
    try:
        yield alive
    finally:
        alive.close()
