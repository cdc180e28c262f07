"""An import of a million rows: its memory, its progress, and the speed of other requests."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from typing import Any

import pytest

from tests.support.environment import wait_for
from tests.support.services import new_broker
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import HttpClient, children_of
from tests.system.harness.servers import PostgresServer

ROWS = 1_000_000
MEGABYTE = 1_000_000


class Samples(list[tuple[float, Any]]):
    """The results of a probe, each with its time."""

    def longest_pause(self) -> float:
        """The longest time without a change."""
        changes = [self[0][0], *(now for (_, old), (now, new) in pairwise(self) if old != new)]
        return max(after - before for before, after in pairwise(changes))


@contextmanager
def sampled(probe: Callable[[], Any], interval: float) -> Iterator[Samples]:
    """Call a probe at intervals, in a thread."""
    samples, over = Samples(), Event()

    def sample() -> None:
        while not over.wait(interval):
            samples.append((time.monotonic(), probe()))

    thread = Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join(30)


def p99(samples: Samples) -> float:
    """The time that 99 of 100 probes did not exceed."""
    return float(quantiles([value for _, value in samples], n=100)[98])


def listing_time(user: HttpClient) -> float:
    """How long it takes to list books, in seconds."""
    begun = time.perf_counter()
    assert user.get("/books").status_code == 200
    return time.perf_counter() - begun


def memory(pid: int, kind: str = "VmRSS") -> int:
    """A process's memory in bytes: now, or at its peak (`VmHWM`)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{kind}:"))


@pytest.fixture
def deploy(broker_kind: str, tmp_path: Path) -> Iterator[Deploy]:
    """A deploy that accepts large uploads, on a database server with its default settings."""
    with ExitStack() as stack:
        database = stack.enter_context(PostgresServer()).url
        broker = stack.enter_context(new_broker(broker_kind, tmp_path))
        yield stack.enter_context(Deploy(database, broker, tmp_path, MAX_UPLOAD_BYTES=100 * MEGABYTE))


@pytest.mark.alone
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("broker_kind", ["redis"])
def test_an_import_of_a_million_rows_uses_little_memory_shows_progress_and_slows_no_request(
    deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when the worker reads all rows before it begins, when it commits only once (the lease ends first), and when
    no index has the order of the list: each request then reads all books of the user, and their number grows.
    """
    web = deploy.web()
    ada, worker = web.sign_up(), deploy.worker()
    with sampled(lambda: listing_time(ada), 0.02) as idle:
        wait_for("the baseline is measured", lambda: len(idle) >= 300)

    file = make_csv(ROWS)
    (serving,), (child,) = children_of(web.process.pid), children_of(worker.process.pid)
    served, fresh = memory(serving, "VmHWM"), memory(child)
    job = ada.import_csv(file)
    assert memory(serving, "VmHWM") - served < 4 * len(file)

    polling, watching = ada.at(web.url), ada.at(web.url)  # a client is for one thread
    begun = time.monotonic()
    wait_for("its rows are counted", lambda: watching.get(job).json()["progress"]["total"] == ROWS)
    with (
        sampled(lambda: listing_time(ada), 0.02) as busy,
        sampled(lambda: memory(child), 0.5) as used,
        sampled(lambda: polling.progress(job), 0.2) as done,
    ):
        ended = watching.wait_for_job(job, seconds=800)
    took = time.monotonic() - begun
    measured(took)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (ROWS - ROWS // 100, ROWS // 100)
    assert max(size for _, size in used) - fresh < 50 * MEGABYTE
    assert done.longest_pause() < took / 4
    assert p99(busy) < 3 * max(p99(idle), 0.02)
