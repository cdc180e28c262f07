"""A deploy in the test's own hands: web and workers are single processes, to be killed one by one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app import create_app
from app.core.database import commit
from app.jobs import service
from tests.conftest import make_settings
from tests.support.clients import isbn
from tests.support.environment import environment, service_variables, wait_for
from tests.system.formation import LINES, HttpClient, Program, Service, children_of


class Worker(Program):
    """A worker, in a group of its own."""

    def ready(self) -> bool:
        """Whether it takes jobs."""
        assert self.process.poll() is None, self.log()
        return " ready." in self.log()

    def children(self) -> list[int]:
        """The processes that do its jobs."""
        return children_of(self.process.pid)


class Deploy:
    """One release with one configuration: its schema is there, and what else runs is for the test to say."""

    def __init__(self, database_url: str, broker_url: str, folder: Path, **variables: str | int) -> None:
        small = {"WEB_CONCURRENCY": 1, "WORKER_CONCURRENCY": 1}
        self.folder = folder
        self.variables = small | service_variables(database_url, broker_url) | variables
        self.programs: list[Program] = []
        self.run("flask", "db", "upgrade")

    def run(self, *command: str) -> str:
        """Run a one-off process to its end."""
        done = subprocess.run(
            command, env=environment(self.variables), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def web(self, *, ready: bool = True) -> Service:
        """Start a web process, and wait until it is ready."""
        web = Service(LINES["web"].split(), self._place(), self.variables)
        self._start(web)
        if ready:
            wait_for("web is ready", web.ready)
        return web

    def worker(self, *, ready: bool = True, app: str = "app.worker") -> Worker:
        """Start a worker, and wait until it takes jobs."""
        line = LINES["worker"].replace("app.worker", app)
        worker = Worker(f"{line} --hostname w{len(self.programs)}@test".split(), self._place(), self.variables)
        self._start(worker)
        if ready:
            wait_for("the worker is ready", worker.ready)
        return worker

    def close(self) -> None:
        """Leave no process behind."""
        for program in self.programs:
            program.kill()

    def _start(self, program: Program) -> None:
        self.programs.append(program)
        program.start()

    def _place(self) -> Path:
        place = self.folder / f"process-{len(self.programs)}"
        place.mkdir(parents=True)
        return place


@contextmanager
def deploy(database_url: str, broker_url: str, folder: Path, **variables: str | int) -> Iterator[Deploy]:
    """A deploy, of which nothing is left in the end."""
    deployed = Deploy(database_url, broker_url, folder, **variables)
    try:
        yield deployed
    finally:
        deployed.close()


def enqueue(deployed: Deploy, user: HttpClient, *kinds: str, data: bytes = b"") -> list[str]:
    """Promise jobs of kinds that no request can ask for, and return their paths."""
    app = create_app(make_settings(str(deployed.variables["DATABASE_URL"]), str(deployed.variables["BROKER_URL"])))
    owner_id = user.get("/users/me").json()["id"]
    with app.app_context():
        jobs = [service.enqueue(owner_id, kind, data) for kind in kinds]
        commit()
        return [f"/jobs/{job.id}" for job in jobs]


def progress(user: HttpClient, job: str) -> int:
    """How many items of a job are done."""
    answer: dict[str, Any] = user.get(job).json()
    return int(answer["progress"]["done"])


def csv_of(rows: int) -> bytes:
    """A CSV file of so many books, all different, one in a hundred without an ISBN."""
    books = (f"Book {i},Author {i % 97},{'' if i % 100 == 99 else isbn(i)},{1500 + i % 500},eng" for i in range(rows))
    return "\n".join(["title,author,isbn,year,language", *books]).encode()
