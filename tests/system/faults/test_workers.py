"""Workers that freeze and wake up, and jobs that harm the workers they run on."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.environment import wait_for
from tests.system.faults.conftest import on_each_pair
from tests.system.faults.processes import Deploy, Worker, csv_of, enqueue, progress
from tests.system.formation import HttpClient

POISON = "tests.system.faults.poison"
BATCHES = 20
ROWS = 500


def assert_writes_nothing_when_it_wakes(frozen: Worker, user: HttpClient, job: str) -> None:
    """The job is as another worker left it, and the books as well."""
    before = user.get(job).json(), user.get("/books/export").text
    frozen.send(signal.SIGCONT)
    wait_for("it finds out", lambda: "is no longer ours" in frozen.log(), 10)
    time.sleep(1)
    assert (user.get(job).json(), user.get("/books/export").text) == before


@on_each_pair
def test_a_worker_frozen_past_its_lease_writes_nothing_when_it_wakes(
    deployed: Deploy, measured: Callable[[float], None]
) -> None:
    """Frozen between transactions: a SQLite file that a frozen process has locked is locked. Fails without the fence
    (it counts its batch, and ends the job a second time), and without the sweep (nobody takes the job over).
    """
    ada, frozen = deployed.web().user(), deployed.worker(app=POISON)
    (job,) = enqueue(deployed, ada, "slow", data=str(BATCHES).encode())
    wait_for("it is under way", lambda: progress(ada, job) > 1)
    frozen.send(signal.SIGSTOP)
    begun = time.monotonic()
    deployed.worker(app=POISON)

    ended = ada.finished(job, seconds=60)
    measured(time.monotonic() - begun)
    assert (ended["status"], ended["attempts"], ended["progress"]["done"]) == ("succeeded", 2, BATCHES)
    assert_writes_nothing_when_it_wakes(frozen, ada, job)


@pytest.mark.parametrize(("database_kind", "broker_kind"), [("postgresql", "rabbitmq"), ("mariadb", "redis")])
def test_a_worker_frozen_in_a_transaction_does_not_keep_its_locks(
    deployed: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when servers wait for ever for a silent client: no other worker can then add the row, and the job fails."""
    ada, frozen = deployed.web().user(), deployed.worker(app=POISON)
    (job,) = enqueue(deployed, ada, "grip")
    wait_for("it has the lock", lambda: "has a grip on it" in frozen.log())
    frozen.send(signal.SIGSTOP)
    begun = time.monotonic()
    deployed.worker(app=POISON)

    ended = ada.finished(job, seconds=60)
    measured(time.monotonic() - begun)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)
    assert len(ada.get("/books").json()["items"]) == 1
    assert_writes_nothing_when_it_wakes(frozen, ada, job)


@pytest.mark.timeout(180)
@on_each_pair
def test_poison_of_each_sort_fails_after_three_attempts_while_other_jobs_flow(
    deployed: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails without the sweep (what kills its process stays `running`), without the count of attempts (it is run for
    ever) and without the alarm (what hangs keeps a process of the worker from all other jobs).
    """
    deployed.variables["WORKER_CONCURRENCY"] = 2
    ada, worker = deployed.web().user(), deployed.worker(app=POISON)
    kinds = ("poison.kill", "poison.memory", "poison.raise", "poison.hang")
    begun = time.monotonic()
    poison = dict(zip(kinds, enqueue(deployed, ada, *kinds), strict=True))

    ended: dict[str, dict[str, Any]] = {}
    slowest = 0.0
    while len(ended) < len(kinds):
        assert time.monotonic() < begun + 150, (ended, worker.log())
        asked = time.monotonic()
        assert ada.finished(ada.import_csv(csv_of(ROWS)), seconds=30)["status"] == "succeeded"
        slowest = max(slowest, time.monotonic() - asked)
        found = {kind: ada.get(job).json() for kind, job in poison.items()}
        ended = {kind: job for kind, job in found.items() if job["finished_at"]}
        time.sleep(1)
    measured(time.monotonic() - begun)

    assert {(job["status"], job["attempts"]) for job in ended.values()} == {("failed", 3)}
    lost, broken = "It was lost together with its worker, 3 times.", "It broke off 3 times; the server's log says why."
    assert ended["poison.kill"]["error"] == lost
    assert ended["poison.memory"]["error"] == ended["poison.raise"]["error"] == broken
    assert ended["poison.hang"]["error"] in (lost, broken)  # alarm and sweep come at the same moment
    for fault in ("MemoryError", "ValueError", "the batch has outlasted the lease", "signal 9 (SIGKILL)"):
        assert worker.log().count(fault) >= 3, fault
    assert slowest < 20  # even if a message was lost together with a process, as embedded brokers do
