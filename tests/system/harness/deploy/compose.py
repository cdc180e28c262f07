"""Docker: the engine's command line, and the tree under Compose."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import requests

from tests.support.environment import environment, wait_for
from tests.support.leftovers import is_abandoned
from tests.support.services import skip_or_fail
from tests.system.harness.process import Service
from tests.system.harness.run import run_name

HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]


def docker(*arguments: str, cwd: Path | None = None, stdin: str = "", **variables: str) -> str:
    """Run `docker`, and return what it printed."""
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
    """What `docker inspect` shows of a container or an image."""
    (found,) = json.loads(docker("inspect", name))
    return dict(found)


def require_engine() -> None:
    """Skip the test if no Docker engine with Compose answers."""
    commands = (["docker", "info"], ["docker", "compose", "version"])
    if not shutil.which("docker") or any(
        subprocess.run(c, check=False, capture_output=True).returncode for c in commands
    ):
        skip_or_fail("no Docker engine with Compose: see .ci/docker/setup")
    for project in filter(is_abandoned, docker("compose", "ls", "--all", "--quiet").splitlines()):
        docker("compose", "--project-name", project, "down", "--volumes", "--timeout", "5")


class Stack(Service):
    """A tree under `docker compose up --build`, on a free port and with its own volumes."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.project = run_name()
        super().__init__(["docker", "compose", "up", "--build"], folder, {}, cwd=tree)
        self.variables = {"COMPOSE_PROJECT_NAME": self.project, "PUBLISH": f"127.0.0.1:{self.port}"}

    def __enter__(self) -> Self:
        self.start()
        try:
            wait_for("the service is ready", super().ready, 900)
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
        """Run a Compose command on this project."""
        variables = {name: str(value) for name, value in self.variables.items()}
        return docker("compose", *arguments, cwd=self.cwd, stdin=stdin, **variables)

    def up(self) -> None:
        """Start stopped containers, and wait until the service is ready."""
        self.compose("up", "--detach")
        self.wait_until_ready()

    def ready(self) -> bool:
        """Whether `/readyz` answers 200. The first `docker compose up` may have ended."""
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def inspect(self, service: str) -> dict[str, Any]:
        """What `docker inspect` shows of a service's container."""
        return inspect(self.compose("ps", "--all", "--quiet", service))
