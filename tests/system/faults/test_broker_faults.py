"""Brokers that are killed, wiped, frozen, full or silent: answers stay quick, and what was accepted is done."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import mean

import pytest
import redis
import requests

from tests.support.environment import wait_for
from tests.system.faults.processes import Deploy, Worker, csv_of, deploy, progress
from tests.system.faults.servers import BrokerServer, RabbitServer, RedisServer, own
from tests.system.formation import HttpClient, Service

SERVERS = {"rabbitmq": RabbitServer, "redis": RedisServer}
ROWS = 20_000
SMALL = csv_of(10)


class Running:
    """A deploy on a broker of its own, whose web and worker live through all faults of this module."""

    def __init__(self, server: BrokerServer, deployed: Deploy) -> None:
        self.server = server
        self.web: Service = deployed.web()
        self.worker: Worker = deployed.worker()
        self.ada: HttpClient = self.web.user()

    def broker_is(self, state: str) -> bool:
        """Whether `/readyz` says so of the broker, and nothing bad of the rest, within two seconds."""
        answer = requests.get(f"{self.web.url}/readyz", timeout=10)
        assert answer.elapsed.total_seconds() < 2
        return bool(answer.json()["checks"] == {"database": "ok", "migrations": "ok", "broker": state})

    def is_well(self) -> None:
        """Wait until a job gets through without delay: every connection is open, and used."""
        wait_for("the broker is ready", lambda: self.broker_is("ok"))
        wait_for("a job gets through", lambda: self.seconds_of_a_job() < 3, 60)

    def ask(self, file: bytes = SMALL) -> requests.Response:
        """Ask for an import."""
        answer = self.ada.post("/books/imports", data=file, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 202, answer.text
        return answer

    def seconds_of_a_job(self) -> float:
        """How long a small job takes, from its request to its end."""
        begin = time.monotonic()
        self.ada.finished(self.ask().headers["Location"])
        return time.monotonic() - begin

    def finish(self, jobs: list[str], since: float) -> float:
        """Wait until the jobs have succeeded, begun once each, and return how long that took."""
        for job in jobs:
            ended = self.ada.finished(job, 60 - (time.monotonic() - since))
            assert (ended["status"], ended["attempts"]) == ("succeeded", 1), ended
        return time.monotonic() - since


@pytest.fixture(scope="module")
def running_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Running]]:
    """Start a kind of broker with a deploy on it, once for all tests."""
    started: dict[str, Running] = {}
    with ExitStack() as stack:

        def start(kind: str) -> Running:
            if kind not in started:
                server = stack.enter_context(own(SERVERS[kind]()))
                folder = tmp_path_factory.mktemp(kind)
                deployed = stack.enter_context(deploy(f"sqlite:///{folder}/app.db", server.url, folder))
                started[kind] = Running(server, deployed)
            return started[kind]

        yield start


@pytest.fixture
def running(running_on: Callable[[str], Running], broker_kind: str) -> Running:
    """The deploy on a kind of broker, and all is well."""
    running = running_on(broker_kind)
    running.is_well()
    return running


@contextmanager
def black_holed(server: BrokerServer) -> Iterator[None]:
    """Somebody listens, and says nothing."""
    server.kill()
    try:
        with socket.create_server(("127.0.0.1", server.port)):
            yield
    finally:
        server.start()


@contextmanager
def frozen(server: BrokerServer) -> Iterator[None]:
    """Connections are open, and nobody is at the other end."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextmanager
def out_of_disk(server: BrokerServer) -> Iterator[None]:
    """RabbitMQ's disk alarm: who publishes is not heard any more."""
    limit_free_disk(server, "1000000GB")
    try:
        yield
    finally:
        limit_free_disk(server, "1MB")


def limit_free_disk(server: BrokerServer, limit: str) -> None:
    """Tell RabbitMQ how much of the disk must be free."""
    ctl = str(Path(server.command[0]).with_name("rabbitmqctl"))
    command = [ctl, "--node", server.variables["RABBITMQ_NODENAME"], "set_disk_free_limit", limit]
    subprocess.run(command, env=os.environ | server.variables, check=True, capture_output=True, timeout=30)


FAULTS = [("rabbitmq", fault) for fault in (black_holed, frozen, out_of_disk)]
FAULTS += [("redis", fault) for fault in (black_holed, frozen)]


@pytest.mark.parametrize(("broker_kind", "fault"), FAULTS)
def test_imports_are_accepted_at_once_while_the_broker_does_not_answer_and_done_when_it_does(
    running: Running,
    fault: Callable[[BrokerServer], AbstractContextManager[None]],
    measured: Callable[[float], None],
) -> None:
    """Fails without the bound on publishing: the first answer comes late; without the breaker: all do; without the
    sweep: the jobs are not done; if `/readyz` publishes nothing: it does not see the full disk.
    """
    with fault(running.server):
        answers = [running.ask() for _ in range(5)]
        assert running.broker_is("failing")
    back = time.monotonic()
    waited, *spared = [answer.elapsed.total_seconds() for answer in answers]
    assert waited < 3
    assert mean(spared) < waited / 4

    wait_for("the broker is ready", lambda: running.broker_is("ok"), 10)
    measured(running.finish([answer.headers["Location"] for answer in answers], back))


@pytest.mark.parametrize("broker_kind", ["redis"])
def test_a_worker_whose_acknowledgement_got_lost_goes_on_to_take_jobs(
    running: Running, measured: Callable[[float], None]
) -> None:
    """Fails with kombu's own transport: the message keeps its place, and for the one child there is no other."""
    job = running.ask(csv_of(ROWS)).headers["Location"]
    wait_for("the import is under way", lambda: 0 < progress(running.ada, job) < ROWS)
    with frozen(running.server):
        assert running.ada.finished(job)["status"] == "succeeded"
        wait_for("the worker gives up telling", lambda: "Couldn't ack" in running.worker.log(), 60)
    back = time.monotonic()
    measured(running.finish([running.ask().headers["Location"]], back))


@pytest.mark.parametrize("broker_kind", SERVERS)
def test_a_broker_killed_and_started_again_loses_no_job_that_runs_or_waits_or_is_asked_for_meanwhile(
    running: Running, measured: Callable[[float], None]
) -> None:
    """Fails without the sweep, for a dead broker hears nothing, and if a worker gives up on its broker."""
    answers = [running.ask(csv_of(ROWS))] + [running.ask() for _ in range(3)]
    jobs = [answer.headers["Location"] for answer in answers]
    wait_for("the first is under way", lambda: 0 < progress(running.ada, jobs[0]) < ROWS)
    running.server.kill()
    meanwhile = [running.ask() for _ in range(3)]
    assert running.broker_is("failing")
    running.server.start()
    back = time.monotonic()
    assert max(answer.elapsed.total_seconds() for answer in meanwhile) < 3
    measured(running.finish(jobs + [answer.headers["Location"] for answer in meanwhile], back))


@pytest.mark.parametrize("broker_kind", ["redis"])
def test_jobs_that_wait_are_done_although_redis_was_wiped(running: Running, measured: Callable[[float], None]) -> None:
    """Fails without the sweep."""
    running.worker.send(signal.SIGSTOP)
    jobs = [running.ask().headers["Location"] for _ in range(5)]
    redis.Redis(port=running.server.port).flushall()
    running.worker.send(signal.SIGCONT)
    measured(running.finish(jobs, time.monotonic()))
