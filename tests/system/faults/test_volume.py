"""A million rows: how much memory they take, how fresh their progress is, and what other requests notice of them."""

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
from tests.system.faults.processes import Deploy, csv_of, deploy, progress
from tests.system.formation import HttpClient, children_of
from tests.system.processes.postgres import PostgresServer

ROWS = 1_000_000
MEGABYTE = 1_000_000


class Samples(list[tuple[float, Any]]):
    """What a probe has said, with the moments when it did."""

    def longest_pause(self) -> float:
        """The longest time for which it said the same."""
        changes = [self[0][0], *(now for (_, old), (now, new) in pairwise(self) if old != new)]
        return max(after - before for before, after in pairwise(changes))


@contextmanager
def sampled(probe: Callable[[], Any], interval: float) -> Iterator[Samples]:
    """Ask a probe at intervals, beside what else happens."""
    samples, over = Samples(), Event()

    def ask() -> None:
        while not over.wait(interval):
            samples.append((time.monotonic(), probe()))

    thread = Thread(target=ask)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join(30)


def p99(samples: Samples) -> float:
    """The time that 99 of 100 probes did not exceed."""
    return float(quantiles([value for _, value in samples], n=100)[98])


def another(user: HttpClient) -> HttpClient:
    """A client for another thread."""
    client = HttpClient(user.root)
    client.headers.update(user.headers)
    return client


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
def roomy(broker_kind: str, tmp_path: Path) -> Iterator[Deploy]:
    """A deploy that takes large uploads, on a database server with the settings that it comes with."""
    with ExitStack() as stack:
        database = stack.enter_context(PostgresServer()).url
        broker = stack.enter_context(new_broker(broker_kind, tmp_path))
        yield stack.enter_context(deploy(database, broker, tmp_path, MAX_UPLOAD_BYTES=100 * MEGABYTE))


@pytest.mark.alone
@pytest.mark.timeout(300)
@pytest.mark.parametrize("broker_kind", ["redis"])
def test_a_million_rows_take_little_memory_show_their_progress_and_leave_the_api_fast(
    roomy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when the worker reads all rows before it begins, when it commits but once (the lease ends first), and when
    the list of books has no index in its order: it then reads all that the user has, and their number grows.
    """
    web = roomy.web()
    ada, worker = web.user(), roomy.worker()
    with sampled(lambda: listing_time(ada), 0.02) as idle:
        time.sleep(10)

    file = csv_of(ROWS)
    (serving,), (child,) = children_of(web.process.pid), children_of(worker.process.pid)
    served, fresh = memory(serving, "VmHWM"), memory(child)
    job = ada.import_csv(file)
    assert memory(serving, "VmHWM") - served < 4 * len(file)

    asking, watching = another(ada), another(ada)  # a client is for one thread
    begun = time.monotonic()
    wait_for("its rows are counted", lambda: watching.get(job).json()["progress"]["total"] == ROWS, 20)
    with (
        sampled(lambda: listing_time(ada), 0.02) as busy,
        sampled(lambda: memory(child), 0.5) as used,
        sampled(lambda: progress(asking, job), 0.2) as done,
    ):
        ended = watching.finished(job, seconds=200)
    took = time.monotonic() - begun
    measured(took)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (ROWS - ROWS // 100, ROWS // 100)
    assert max(size for _, size in used) - fresh < 50 * MEGABYTE
    assert done.longest_pause() < 3
    assert p99(busy) < 3 * max(p99(idle), 0.02)
