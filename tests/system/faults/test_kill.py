"""kill -9 of a worker and its children during a job."""

import time
from collections.abc import Callable

import pytest

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
