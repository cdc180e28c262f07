"""TERM to the whole process group, as Heroku and Dokku send it."""

import signal
import time
from collections.abc import Callable

from tests.support.environment import wait_for
from tests.system.faults.conftest import on_each_pair
from tests.system.faults.processes import Deploy, csv_of, progress

ROWS = 100_000


@on_each_pair
def test_a_running_job_goes_back_and_is_resumed_at_once(deployed: Deploy, measured: Callable[[float], None]) -> None:
    """Fails when the child dies of TERM, or when the job waits for its lease to end: that takes 20 s."""
    ada = deployed.web().user()
    leaving = deployed.worker()
    job = ada.import_csv(csv_of(ROWS))
    wait_for("the import is under way", lambda: 0 < progress(ada, job) < ROWS)
    staying = deployed.worker()
    asked = time.monotonic()
    leaving.send(signal.SIGTERM)
    wait_for("the other goes on", lambda: "books.import started" in staying.log(), 10)
    measured(time.monotonic() - asked)
    assert leaving.wait(25) == 0

    ended = ada.finished(job)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    assert ended["result"]["created"] == ROWS - ROWS // 100
