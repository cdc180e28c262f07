"""A deploy on hosts: two webs, two workers, a database, a broker, and the client that speaks with it."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from tests.support.environment import wait_for
from tests.system.faults.databases import SERVERS, DatabaseServer
from tests.system.faults.processes import Worker, deploy, enqueue
from tests.system.faults.servers import BrokerServer, RabbitServer, RedisServer, own
from tests.system.formation import HttpClient, Program, Service
from tests.system.twelve_factor.hosts import Host, Network

BROKERS: dict[str, type[BrokerServer]] = {"rabbitmq": RabbitServer, "redis": RedisServer}
WORKER = "tests.system.twelve_factor.sleeping_worker"
ROLES = ("client", "database", "broker", "web-a", "web-b", "worker-a", "worker-b")


class Site:
    """Hosts, and what runs on them. They share a network, and nothing else."""

    def __init__(self, database_kind: str, broker_kind: str, folder: Path, stack: ExitStack) -> None:
        network = stack.enter_context(Network())
        self.hosts: dict[str, Host] = {role: network.host(role) for role in ROLES}
        database, broker = self.hosts["database"], self.hosts["broker"]
        server: AbstractContextManager[DatabaseServer] = SERVERS[database_kind](database.address)
        self.database = stack.enter_context(database.running(server))
        self.broker = stack.enter_context(broker.running(own(BROKERS[broker_kind](broker.address))))
        with self.hosts["client"].inside():
            self.deployed = stack.enter_context(deploy(self.database.url, self.broker.url, folder))
        self.webs: dict[str, Service] = {}
        self.workers: dict[str, Worker] = {}

    def make_well(self) -> None:
        """Plug all cables in, start what is not running, and wait until all of it is ready."""
        for role, host in self.hosts.items():
            host.plug_in()
            if role.startswith("web") and not _runs(self.webs.get(role)):
                with host.inside():
                    web = self.webs[role] = self.deployed.web(ready=False)
                web.url = f"http://{host.address}:{web.port}"
            if role.startswith("worker") and not _runs(self.workers.get(role)):
                with host.inside():
                    self.workers[role] = self.deployed.worker(ready=False, app=WORKER)
        for role, program in (self.webs | self.workers).items():
            wait_for(f"{role} is ready", program.ready, 60)

    def user(self, role: str = "web-a") -> HttpClient:
        """Sign a new user up, and in, at a web."""
        return self.webs[role].user(f"{uuid4().hex}@example.org")

    def at(self, role: str, user: HttpClient) -> HttpClient:
        """The same user, with the same access token, at another web."""
        client = HttpClient(self.webs[role].url)
        client.headers.update(user.headers)
        return client

    def worker_of(self, job: str) -> str:
        """The role of the worker that has begun a job."""

        def begun() -> str | None:
            number = f'"job_id":"{Path(job).name}"'
            return next((role for role, worker in self.workers.items() if number in worker.log()), None)

        return wait_for(f"a worker has begun {job}", begun) or ""

    def wait_until_jobs_reach(self, *roles: str, user: HttpClient) -> None:
        """Give jobs until each of these workers has had one."""
        lacking = set(roles)

        def reached() -> bool:
            jobs = enqueue(self.deployed, user, "sleep", "sleep")
            assert {user.finished(job)["status"] for job in jobs} == {"succeeded"}
            lacking.difference_update(self.worker_of(job) for job in jobs)
            return not lacking

        wait_for(f"{roles} take jobs", reached, 60)

    def seconds_for(self, kinds: Sequence[str], user: HttpClient) -> float:
        """How long the workers take for jobs that were waiting when they began, all at the same moment."""
        for worker in self.workers.values():
            worker.send(signal.SIGSTOP)
        jobs = enqueue(self.deployed, user, *kinds)
        begun = time.monotonic()
        for worker in self.workers.values():
            worker.send(signal.SIGCONT)
        assert {user.finished(job)["status"] for job in jobs} == {"succeeded"}
        return time.monotonic() - begun

    def times_that_workers_said(self, words: str) -> int:
        """How often these words stand in the workers' logs."""
        return sum(worker.log().count(words) for worker in self.workers.values())


@contextmanager
def site(database_kind: str, broker_kind: str, folder: Path) -> Iterator[Site]:
    """A site, of which nothing is left in the end."""
    with ExitStack() as stack:
        yield Site(database_kind, broker_kind, folder, stack)


def _runs(program: Program | None) -> bool:
    return program is not None and program.process.poll() is None
