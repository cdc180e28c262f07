"""kill -9 of a worker and its children."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.support.environment import wait_for
from tests.support.services import BROKERS, DATABASES
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy

ROWS = 40_000
GOOD = ROWS - ROWS // 100


@pytest.mark.parametrize("broker_kind", BROKERS)
@pytest.mark.parametrize("database_kind", DATABASES)
def test_a_worker_that_is_killed_during_an_import_loses_nothing(
    deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails without the sweep: two of the brokers lose the message, and the third delivers it while the lease lasts."""
    ada = deploy.web().sign_up()
    workers = [deploy.worker(), deploy.worker()]
    job = ada.import_csv(make_csv(ROWS))
    ada.wait_until_running(job, ROWS)
    for worker in workers:
        if "books.import started" in worker.log():
            worker.kill()
    killed = time.monotonic()

    ended = ada.wait_for_job(job)
    measured(time.monotonic() - killed)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (GOOD, ROWS // 100)
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD


@pytest.mark.parametrize("broker_kind", BROKERS)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_worker_whose_idle_children_are_killed_goes_on(deploy: Deploy) -> None:
    """Fails with billiard's own pool on the embedded broker: the killed child keeps the lock of the queue."""
    ada, worker = deploy.web().sign_up(), deploy.worker()
    killed = worker.children()
    for child in killed:
        os.kill(child, signal.SIGKILL)
    wait_for("the children are replaced", lambda: worker.children() and not set(killed) & set(worker.children()))
    job = ada.wait_for_job(ada.import_csv(make_csv(10)))
    assert (job["status"], job["attempts"]) == ("succeeded", 1)
