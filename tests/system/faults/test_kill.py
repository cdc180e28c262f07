"""kill -9 of a worker and its children, in the middle of a job."""

import time
from collections.abc import Callable

import pytest

from tests.support.environment import wait_for
from tests.support.services import BROKERS, DATABASES
from tests.system.faults.processes import Deploy, csv_of, progress

ROWS = 40_000
GOOD = ROWS - ROWS // 100


@pytest.mark.parametrize("broker_kind", BROKERS)
@pytest.mark.parametrize("database_kind", DATABASES)
def test_a_worker_killed_in_the_middle_of_an_import_loses_nothing(
    deployed: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails without the sweep: two of the brokers lose the message, and the third is told that the job is running."""
    ada = deployed.web().user()
    workers = [deployed.worker(), deployed.worker()]
    job = ada.import_csv(csv_of(ROWS))
    wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)
    for worker in workers:
        if "books.import started" in worker.log():
            worker.kill()
    killed = time.monotonic()

    ended = ada.finished(job, seconds=60)
    measured(time.monotonic() - killed)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)
    assert (ended["result"]["created"], ended["result"]["rejected"]) == (GOOD, ROWS // 100)
    assert len(ada.get("/books/export").text.splitlines()) == 1 + GOOD
