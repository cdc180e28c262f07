"""Brokers that are killed, wiped, frozen, full or silent: requests are answered, and accepted jobs are done."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from statistics import mean

import pytest
import redis
import requests

from tests.support.environment import wait_for
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import HttpClient, Service
from tests.system.harness.servers import BROKER_SERVERS, RabbitServer, Server

ROWS = 20_000
SMALL = make_csv(10)
# An answer takes a second while the broker is silent. Without bounds it takes more than a minute.
BOUND = 20


class Running:
    """A deploy on its own broker. Its web process and its worker run through all tests of this module."""

    def __init__(self, server: Server, deploy: Deploy) -> None:
        self.server = server
        self.web: Service = deploy.web()
        self.worker = deploy.worker()
        self.ada: HttpClient = self.web.sign_up()

    def broker_is(self, state: str) -> bool:
        """Whether `/readyz` reports this state of the broker and no other failure."""
        answer = requests.get(f"{self.web.url}/readyz", timeout=BOUND)
        return bool(answer.json()["checks"] == {"database": "ok", "migrations": "ok", "broker": state})

    def wait_until_jobs_are_announced(self) -> None:
        """Wait until web and worker are connected to the broker: a job is done before a sweep can find it."""
        wait_for("the broker is ready", lambda: self.broker_is("ok"))
        wait_for("a job is announced", lambda: self.seconds_of_a_job() < 3)

    def seconds_of_a_job(self) -> float:
        """How long a small job takes, from its request to its end."""
        begin = time.monotonic()
        self.ada.wait_for_job(self.ada.import_csv(SMALL))
        return time.monotonic() - begin

    def seconds_to_finish(self, jobs: list[str], since: float) -> float:
        """Wait until the jobs have succeeded at the first attempt, and return how long that took."""
        for job in jobs:
            ended = self.ada.wait_for_job(job)
            assert (ended["status"], ended["attempts"]) == ("succeeded", 1), ended
        return time.monotonic() - since


@pytest.fixture(scope="module")
def running_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Running]]:
    """Start a kind of broker and a deploy on it, once for all tests."""
    started: dict[str, Running] = {}
    with ExitStack() as stack:

        def start(kind: str) -> Running:
            if kind not in started:
                server = stack.enter_context(BROKER_SERVERS[kind]())
                folder = tmp_path_factory.mktemp(kind)
                deploy = stack.enter_context(Deploy(f"sqlite:///{folder}/app.db", server.url, folder))
                started[kind] = Running(server, deploy)
            return started[kind]

        yield start


@pytest.fixture
def running(running_on: Callable[[str], Running], broker_kind: str) -> Running:
    """The deploy on a kind of broker, connected to it."""
    running = running_on(broker_kind)
    running.wait_until_jobs_are_announced()
    return running


@contextmanager
def black_holed(server: Server) -> Iterator[None]:
    """Replace the server by a socket that accepts connections and never answers."""
    server.stop()
    try:
        with socket.create_server(("127.0.0.1", server.port)):
            yield
    finally:
        server.start()


def frozen(server: Server) -> AbstractContextManager[None]:
    """Freeze the server with its connections open."""
    return server.frozen()


@contextmanager
def out_of_disk(server: Server) -> Iterator[None]:
    """Raise RabbitMQ's disk alarm: it reads nothing more from connections that publish."""
    assert isinstance(server, RabbitServer)
    server.rabbitmqctl("set_disk_free_limit", "1000000GB")
    try:
        yield
    finally:
        server.rabbitmqctl("set_disk_free_limit", "1MB")


FAULTS = [("rabbitmq", fault) for fault in (black_holed, frozen, out_of_disk)]
FAULTS += [("redis", fault) for fault in (black_holed, frozen)]


@pytest.mark.parametrize(("broker_kind", "fault"), FAULTS)
def test_imports_are_accepted_while_the_broker_does_not_answer_and_done_when_it_does(
    running: Running,
    fault: Callable[[Server], AbstractContextManager[None]],
    measured: Callable[[float], None],
) -> None:
    """Fails without the bound on publishing: the first answer is late; without the circuit breaker: all answers are;
    without the sweep: the jobs are not done; if `/readyz` publishes nothing: it does not detect the full disk.
    """
    with fault(running.server):
        answers = [running.ada.upload_csv(SMALL) for _ in range(5)]
        wait_for("readiness reports the broker", lambda: running.broker_is("failing"))
    back = time.monotonic()
    waited, *later = [answer.elapsed.total_seconds() for answer in answers]
    assert waited < BOUND
    assert mean(later) < waited / 2

    wait_for("the broker is ready", lambda: running.broker_is("ok"))
    measured(running.seconds_to_finish([answer.headers["Location"] for answer in answers], back))


@pytest.mark.parametrize("broker_kind", ["redis"])
def test_a_worker_whose_acknowledgement_was_lost_takes_more_jobs(
    running: Running, measured: Callable[[float], None]
) -> None:
    """Fails with kombu's own transport: the message keeps its slot, and the worker has no other."""
    job = running.ada.import_csv(make_csv(ROWS))
    running.ada.wait_until_running(job, ROWS)
    with running.server.frozen():
        assert running.ada.wait_for_job(job)["status"] == "succeeded"
        wait_for("the acknowledgement fails", lambda: "Couldn't ack" in running.worker.log())
    back = time.monotonic()
    measured(running.seconds_to_finish([running.ada.import_csv(SMALL)], back))


@pytest.mark.parametrize("broker_kind", BROKER_SERVERS)
def test_a_broker_that_is_killed_and_restarted_loses_no_job(
    running: Running, measured: Callable[[float], None]
) -> None:
    """One job runs, three wait, and three are accepted while the broker is down. Fails without the sweep, because a
    dead broker gets no message, and if a worker ends when its broker does.
    """
    jobs = [running.ada.import_csv(make_csv(ROWS))] + [running.ada.import_csv(SMALL) for _ in range(3)]
    running.ada.wait_until_running(jobs[0], ROWS)
    running.server.stop()
    jobs += [running.ada.import_csv(SMALL) for _ in range(3)]
    wait_for("readiness reports the broker", lambda: running.broker_is("failing"))
    running.server.start()
    measured(running.seconds_to_finish(jobs, time.monotonic()))


@pytest.mark.parametrize("broker_kind", ["redis"])
def test_waiting_jobs_are_done_after_redis_was_wiped(running: Running, measured: Callable[[float], None]) -> None:
    """Fails without the sweep."""
    running.worker.send(signal.SIGSTOP)
    jobs = [running.ada.import_csv(SMALL) for _ in range(5)]
    redis.Redis(port=running.server.port).flushall()
    running.worker.send(signal.SIGCONT)
    measured(running.seconds_to_finish(jobs, time.monotonic()))
