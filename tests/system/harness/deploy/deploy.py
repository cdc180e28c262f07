"""A deploy whose processes a test starts one by one."""

import shlex
from pathlib import Path
from typing import Self, TypeVar

from app import create_app
from app.core.database import commit
from app.jobs import service as jobs
from tests.conftest import make_settings
from tests.support.environment import ROOT, service_variables, wait_for
from tests.system.harness.deploy.procfile import PROCFILE
from tests.system.harness.process import HttpClient, Program, Service, children_of, run_command

Started = TypeVar("Started", bound=Program)
ONE_OF_EACH: dict[str, str | int] = {"WEB_CONCURRENCY": 1, "WORKER_CONCURRENCY": 1}


class Worker(Program):
    """A worker."""

    def ready(self) -> bool:
        """Whether it takes jobs. Fails if the worker has ended."""
        assert self.process.poll() is None, self.log()
        return " ready." in self.log()

    def wait_until_ready(self, seconds: float = 120) -> None:
        """Wait until it takes jobs."""
        wait_for("the worker is ready", self.ready, seconds)

    def children(self) -> list[int]:
        """The processes that run its jobs."""
        return children_of(self.process.pid)


class Deploy:
    """A tree with a configuration. As a context manager, it migrates the database and kills its processes at the end.

    Attributes:
        variables: The environment of processes that are started from now on.
        programs: The web processes, workers and releases that were created.
    """

    def __init__(
        self, database_url: str, broker_url: str, folder: Path, *, tree: Path = ROOT, **variables: str | int
    ) -> None:
        self.folder, self.tree = folder, tree
        self.variables = ONE_OF_EACH | service_variables(database_url, broker_url) | variables
        self.programs: list[Program] = []
        self.migrates, self.separate_stderr = True, False

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.migrates:
            self.run("flask", "db", "upgrade")
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs:
            program.kill()

    @property
    def database_url(self) -> str:
        """The URL of its database."""
        return str(self.variables["DATABASE_URL"])

    @property
    def broker_url(self) -> str:
        """The URL of its broker."""
        return str(self.variables["BROKER_URL"])

    def execute(self, *command: str, stdin: str = "") -> tuple[int, str]:
        """Run a one-off command, and return its exit code and what it printed."""
        return run_command(self.variables, *command, stdin=stdin, cwd=self.tree)

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a one-off command that must succeed, and return what it printed."""
        code, output = self.execute(*command, stdin=stdin)
        assert code == 0, output
        return output

    def command(self, process_type: str) -> list[str]:
        """The command of a process type."""
        return shlex.split(PROCFILE[process_type])

    def create_web(self, app: str = "") -> Service:
        """Create a web process, perhaps of another application, and do not start it."""
        command = [*self.command("web"), *([app] if app else [])]
        return self._keep(
            Service(command, self.folder, self.variables, cwd=self.tree, separate_stderr=self.separate_stderr)
        )

    def create_worker(self, app: str = "app.worker") -> Worker:
        """Create a worker, perhaps with another Celery application, and do not start it."""
        command = [word.replace("app.worker", app) for word in self.command("worker")]
        command += ["--hostname", f"w{len(self.programs)}@test"]
        return self._keep(
            Worker(command, self.folder, self.variables, cwd=self.tree, separate_stderr=self.separate_stderr)
        )

    def create_release(self) -> Program:
        """Create a release process, and do not start it."""
        return self._keep(
            Program(
                self.command("release"),
                self.folder,
                self.variables,
                cwd=self.tree,
                separate_stderr=self.separate_stderr,
            )
        )

    def web(self) -> Service:
        """Start a web process, and wait until it is ready."""
        web = self.create_web()
        web.start()
        web.wait_until_ready()
        return web

    def worker(self, app: str = "app.worker") -> Worker:
        """Start a worker, and wait until it takes jobs."""
        worker = self.create_worker(app)
        worker.start()
        worker.wait_until_ready()
        return worker

    def enqueue(self, user: HttpClient, *kinds: str, data: bytes = b"") -> list[str]:
        """Enqueue jobs of kinds that no request creates, and return their paths."""
        app = create_app(make_settings(self.database_url, self.broker_url))
        owner_id = user.get("/users/me").json()["id"]
        with app.app_context():
            created = [jobs.enqueue(kind, owner_id=owner_id, data=data) for kind in kinds]
            commit()
            return [f"/jobs/{job.id}" for job in created]

    def _keep(self, program: Started) -> Started:
        self.programs.append(program)
        return program
