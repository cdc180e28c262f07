"""Docker: a command to the engine, and the tree brought up by Compose, as a project of a test's own."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import requests

from tests.support.environment import environment, wait_for
from tests.support.services import skip_or_fail
from tests.system.formation import Service

HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]


def docker(*arguments: str, cwd: Path | None = None, stdin: str = "", **variables: str) -> str:
    """Run `docker` to its end, and return what it printed."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=cwd,
        env=environment({"DOCKER_BUILDKIT": "1"} | variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def inspect(name: str) -> dict[str, Any]:
    """All that the engine knows of a container or an image."""
    (found,) = json.loads(docker("inspect", name))
    return dict(found)


def require_engine() -> None:
    """Skip the test at hand where no engine with Compose answers."""
    commands = (["docker", "info"], ["docker", "compose", "version"])
    if not shutil.which("docker") or any(
        subprocess.run(c, check=False, capture_output=True).returncode for c in commands
    ):
        skip_or_fail("no Docker engine with Compose: see .ci/docker/setup")


class Stack(Service):
    """What `docker compose up --build` starts in a tree, on a free port and with volumes of its own."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.project = f"barah-test-{uuid4().hex[:8]}"
        super().__init__(["docker", "compose", "up", "--build"], folder, {}, cwd=tree)
        self.variables = {"COMPOSE_PROJECT_NAME": self.project, "PUBLISH": f"127.0.0.1:{self.port}"}

    def __enter__(self) -> Self:
        self.start()
        try:
            wait_for("the service is ready", super().ready, 400)
        except BaseException as error:
            self.__exit__()
            error.add_note(self.log())
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.compose("down", "--volumes", "--timeout", "5")
        finally:
            self.kill()
            docker("image", "rm", "--force", f"{self.project}-app")

    def compose(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of Compose on this project."""
        variables = {name: str(value) for name, value in self.variables.items()}
        return docker("compose", *arguments, cwd=self.cwd, stdin=stdin, **variables)

    def up(self) -> None:
        """Start what is not running, and wait until the service is ready."""
        self.compose("up", "--detach")
        wait_for("the service is ready", self.ready, 60)

    def ready(self) -> bool:
        """Whether `/readyz` says so, whatever has become of the command that it was started by."""
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def inspect(self, service: str) -> dict[str, Any]:
        """All that the engine knows of a service's container."""
        return inspect(self.compose("ps", "--all", "--quiet", service))
