"""A deploy whose log lines, stderr and written files are examined."""

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.environment import wait_for
from tests.support.factories import PASSWORD
from tests.system.harness.deploy import Deploy, Worker
from tests.system.harness.process import HttpClient, Program, Service
from tests.system.twelve_factor.ecs_schema import Event, read

RELEASE = "v42-0123abc"
WRONG_PASSWORD = "not the password at all"
CALLS = """
    open openat openat2 creat rename renameat renameat2 mkdir mkdirat mknod mknodat unlink unlinkat rmdir
    link linkat symlink symlinkat truncate bind
"""
READING = re.compile(r"open(?!.*(?:O_WRONLY|O_RDWR|O_CREAT|O_TRUNC))|bind(?!.*sun_path=\")|.* = -1 ")


class LoggedDeploy(Deploy):
    """One release, one worker and one web process, with separate stderr and without PYTHONUNBUFFERED.

    Attributes:
        traced: Whether strace records the system calls of its processes.
        secrets: What no log line may hold.
        logs_after_import: What each process had logged when the import had ended.
        job: The id of the import's job.
        problem: The answer to the request that failed.
    """

    def __init__(self, database_url: str, broker_url: str, folder: Path, **variables: str | int) -> None:
        super().__init__(database_url, broker_url, folder, PYTHONUNBUFFERED="", LOG_FORMAT="json", GIT_REV=RELEASE)
        self.variables |= {"TZ": "Asia/Kolkata"} | variables
        self.migrates, self.separate_stderr, self.traced = False, True, False
        self.processes: dict[str, Program] = {}
        self.secrets = [PASSWORD, WRONG_PASSWORD, str(self.variables["SECRET_KEY"])]
        for name in (self.database_url, self.broker_url):
            if password := urlsplit(name).password:
                self.secrets.append(password if password != "guest" else ":guest@")
        self.logs_after_import: dict[str, str] = {}
        self.job = ""
        self.problem: dict[str, Any] = {}

    def command(self, process_type: str) -> list[str]:
        command = super().command(process_type)
        if not self.traced:
            return command
        calls = ",".join(f"?{call}" for call in CALLS.split())  # not every architecture has all of them
        trace = ["strace", "-ff", "-qq", "--seccomp-bpf", "-e", f"trace={calls}", "-e", "signal=none"]
        return [*trace, "-o", str(self.folder / f"{process_type}.calls"), *command]

    def create_web(self, app: str = "") -> Service:
        web = super().create_web(app)
        self.processes["web"] = web
        return web

    def create_worker(self, app: str = "app.worker") -> Worker:
        worker = super().create_worker(app)
        self.processes["worker"] = worker
        return worker

    def create_release(self) -> Program:
        release = super().create_release()
        self.processes["release"] = release
        return release

    def events(self, *processes: str) -> list[Event]:
        """The log events of these processes, or of all."""
        named = processes or tuple(self.processes)
        return [read(line) for name in named for line in self.processes[name].log().splitlines()]

    def find_message(self, process: str, pattern: str) -> re.Match[str] | None:
        """Find the last message of a process that matches a pattern."""
        messages = [event["message"] for event in self.events(process)]
        return next((match for message in reversed(messages) if (match := re.search(pattern, message))), None)

    def wait_for_message(self, process: str, pattern: str) -> re.Match[str]:
        """Wait until a process has logged a message that matches a pattern."""
        found = wait_for(f"{process} logs {pattern}", lambda: self.find_message(process, pattern))
        assert found is not None
        return found

    def output(self) -> str:
        """Everything on stdout and stderr."""
        return "".join(program.log() + program.stderr() for program in self.processes.values())

    def written_paths(self) -> set[str]:
        """The paths that were opened for writing, created, moved or removed."""
        calls = [call for trace in self.folder.glob("*.calls.*") for call in trace.read_text().splitlines()]
        return {path for call in calls if not READING.match(call) for path in re.findall(r'"([^"]*)"', call)}

    def sign_up(self, web: Service) -> HttpClient:
        """Sign up, fail to log in, and log in."""
        user = web.sign_up()
        account = {"email": "ada@example.org", "password": PASSWORD}
        user.post("/auth/login", json=account | {"password": WRONG_PASSWORD})
        tokens = user.post("/auth/login", json=account).json()
        self.secrets += [user.token, tokens["access_token"], tokens["refresh_token"]]
        return HttpClient(web.url, tokens["access_token"])


def can_trace() -> bool:
    """Whether strace is installed and may trace."""
    with suppress(OSError):
        return subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0
    return False
