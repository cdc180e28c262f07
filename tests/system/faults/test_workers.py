"""Workers that freeze and continue, and jobs that harm their workers."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.environment import wait_for
from tests.system.faults.conftest import on_each_pair
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy, Worker
from tests.system.harness.process import HttpClient

HARMFUL = "tests.system.faults.harmful_worker"
BATCHES = 20
ROWS = 500


def assert_writes_nothing_when_it_continues(frozen: Worker, user: HttpClient, job: str) -> None:
    """The job and the books stay as the other worker left them."""
    before = user.get(job).json(), user.get("/books/export").text
    frozen.send(signal.SIGCONT)
    wait_for("the worker stops the job", lambda: "it was cancelled, or another worker has it" in frozen.log())
    frozen.stop()
    assert (user.get(job).json(), user.get("/books/export").text) == before


@on_each_pair
def test_a_worker_that_was_frozen_beyond_its_lease_writes_nothing(
    deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """It is frozen between transactions, because a frozen process keeps its lock of a SQLite file. Fails without the
    fence (the worker counts its batch and ends the job again) and without the sweep (no worker takes the job over).
    """
    ada, frozen = deploy.web().sign_up(), deploy.worker(app=HARMFUL)
    (job,) = deploy.enqueue(ada, "slow", data=str(BATCHES).encode())
    wait_for("the job is in progress", lambda: ada.progress(job) > 1)
    frozen.send(signal.SIGSTOP)
    begun = time.monotonic()
    deploy.worker(app=HARMFUL)

    ended = ada.wait_for_job(job)
    measured(time.monotonic() - begun)
    assert (ended["status"], ended["attempts"], ended["progress"]["done"]) == ("succeeded", 2, BATCHES)
    assert_writes_nothing_when_it_continues(frozen, ada, job)


@pytest.mark.parametrize(("database_kind", "broker_kind"), [("postgresql", "rabbitmq"), ("mariadb", "redis")])
def test_a_worker_that_is_frozen_in_a_transaction_loses_its_locks(
    deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when the server waits without a limit for a silent client: no other worker can add the row."""
    ada, frozen = deploy.web().sign_up(), deploy.worker(app=HARMFUL)
    (job,) = deploy.enqueue(ada, "locked")
    wait_for("the job holds the lock", lambda: "holds the lock" in frozen.log())
    frozen.send(signal.SIGSTOP)
    begun = time.monotonic()
    deploy.worker(app=HARMFUL)

    ended = ada.wait_for_job(job)
    measured(time.monotonic() - begun)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)
    assert len(ada.get("/books").json()["items"]) == 1
    assert_writes_nothing_when_it_continues(frozen, ada, job)


@on_each_pair
def test_harmful_jobs_fail_after_three_attempts_while_other_jobs_are_done(
    deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails without the sweep (a job that kills its process stays `running`), without the count of attempts (it runs
    again for ever) and without the alarm (a job that hangs blocks a process of the worker).
    """
    deploy.variables["WORKER_CONCURRENCY"] = 2
    ada, worker = deploy.web().sign_up(), deploy.worker(app=HARMFUL)
    kinds = ("poison.kill", "poison.memory", "poison.raise", "poison.hang")
    begun = time.monotonic()
    harmful = dict(zip(kinds, deploy.enqueue(ada, *kinds), strict=True))

    ended: dict[str, dict[str, Any]] = {}
    while len(ended) < len(kinds):
        assert time.monotonic() < begun + 500, (ended, worker.log())
        assert ada.wait_for_job(ada.import_csv(make_csv(ROWS)))["status"] == "succeeded"
        found = {kind: ada.get(job).json() for kind, job in harmful.items()}
        ended = {kind: job for kind, job in found.items() if job["finished_at"]}
    measured(time.monotonic() - begun)

    assert {(job["status"], job["attempts"]) for job in ended.values()} == {("failed", 3)}
    lost = "The worker was lost in attempt 3 of 3."
    failed = "Internal error in attempt 3 of 3. Quote the id of the job to support."
    assert ended["poison.kill"]["error"] == lost
    assert ended["poison.memory"]["error"] == ended["poison.raise"]["error"] == failed
    assert ended["poison.hang"]["error"] in (lost, failed)  # either the alarm or the sweep is first
    for fault in ("MemoryError", "ValueError", "the batch took longer than the lease", "signal 9 (SIGKILL)"):
        assert worker.log().count(fault) >= 3, fault
