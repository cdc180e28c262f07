"""A deploy on seven hosts: a client, a database, a broker, two web processes and two workers."""

import csv
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.environment import wait_for
from tests.system.harness.deploy import Deploy, Worker
from tests.system.harness.network import Host, Network
from tests.system.harness.process import HttpClient, Service
from tests.system.harness.servers import BROKER_SERVERS, DATABASE_SERVERS

WORKER = "tests.system.twelve_factor.slow_worker"
ROLES = ("client", "database", "broker", "web-a", "web-b", "worker-a", "worker-b")


class Site:
    """Hosts that share only a network, and the processes on them."""

    def __init__(self, database_kind: str, broker_kind: str, folder: Path, stack: ExitStack) -> None:
        network = stack.enter_context(Network())
        self.hosts: dict[str, Host] = {role: network.host(role) for role in ROLES}
        database, broker = self.hosts["database"], self.hosts["broker"]
        self.database = stack.enter_context(database.running(DATABASE_SERVERS[database_kind](database.address)))
        self.broker = stack.enter_context(broker.running(BROKER_SERVERS[broker_kind](broker.address)))
        with self.hosts["client"].inside():
            self.deploy = stack.enter_context(Deploy(self.database.url, self.broker.url, folder))
        self.webs: dict[str, Service] = {}
        self.workers: dict[str, Worker] = {}

    def repair(self) -> None:
        """Connect all cables, start the processes that have ended, and wait until all are ready."""
        for role, host in self.hosts.items():
            host.plug_in()
            if role.startswith("web") and not (role in self.webs and self.webs[role].is_running):
                with host.inside():
                    web = self.webs[role] = self.deploy.create_web()
                    web.start()
                web.url = f"http://{host.address}:{web.port}"
            if role.startswith("worker") and not (role in self.workers and self.workers[role].is_running):
                with host.inside():
                    worker = self.workers[role] = self.deploy.create_worker(WORKER)
                    worker.start()
        for program in (self.webs | self.workers).values():
            program.wait_until_ready()

    def sign_up(self, role: str = "web-a") -> HttpClient:
        """Create a user and log in, at a web process."""
        return self.webs[role].sign_up(f"{uuid4().hex}@example.org")

    def at(self, role: str, user: HttpClient) -> HttpClient:
        """The same user with the same access token, at another web process."""
        return user.at(self.webs[role].url)

    def worker_of(self, job: str) -> str:
        """The role of the worker that has started a job."""

        def started() -> str | None:
            number = f'"job_id":"{Path(job).name}"'
            return next((role for role, worker in self.workers.items() if number in worker.log()), None)

        return wait_for(f"a worker has started {job}", started) or ""

    def wait_until_jobs_reach(self, *roles: str, user: HttpClient) -> None:
        """Enqueue jobs until each of these workers has had one."""
        missing = set(roles)

        def reached() -> bool:
            jobs = self.deploy.enqueue(user, "sleep", "sleep")
            assert {user.wait_for_job(job)["status"] for job in jobs} == {"succeeded"}
            missing.difference_update(self.worker_of(job) for job in jobs)
            return not missing

        wait_for(f"{roles} take jobs", reached)

    def seconds_for(self, kinds: Sequence[str], user: HttpClient) -> float:
        """How long the workers take for waiting jobs. All workers start at the same moment."""
        for worker in self.workers.values():
            worker.send(signal.SIGSTOP)
        jobs = self.deploy.enqueue(user, *kinds)
        begun = time.monotonic()
        for worker in self.workers.values():
            worker.send(signal.SIGCONT)
        assert {user.wait_for_job(job)["status"] for job in jobs} == {"succeeded"}
        return time.monotonic() - begun

    def count_in_worker_logs(self, words: str) -> int:
        """How often the workers have logged these words."""
        return sum(worker.log().count(words) for worker in self.workers.values())


def assert_imported_once(user: HttpClient, job: str, file: bytes) -> dict[str, Any]:
    """Wait for a job. It succeeds, its counts are right, and the user has each book of the file once."""
    ended = user.wait_for_job(job)
    assert ended["status"] == "succeeded", ended
    expected = books_of(file)
    rejected = len(file.splitlines()) - 1 - len(expected)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (len(expected), rejected)
    assert exported_rows(user) == expected
    return ended


def books_of(file: bytes) -> list[list[str]]:
    """The rows of a CSV file that have an ISBN."""
    return sorted(row for row in list(csv.reader(file.decode().splitlines()))[1:] if row[2])


def exported_rows(user: HttpClient) -> list[list[str]]:
    """The rows of the user's CSV export."""
    return sorted(list(csv.reader(user.get("/books/export").content.decode().splitlines()))[1:])
