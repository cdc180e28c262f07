"""TERM to the whole process group, as Heroku and Dokku send it."""

import signal
import time
from collections.abc import Callable

from tests.support.environment import wait_for
from tests.system.faults.conftest import on_each_pair
from tests.system.harness.books import make_csv
from tests.system.harness.deploy import Deploy

ROWS = 100_000


@on_each_pair
def test_a_stopping_worker_returns_its_job_and_another_continues_it(
    deploy: Deploy, measured: Callable[[float], None]
) -> None:
    """Fails when the child dies of TERM, or when the job waits for its lease to end: that is another attempt."""
    ada = deploy.web().sign_up()
    stopping = deploy.worker()
    job = ada.import_csv(make_csv(ROWS))
    ada.wait_until_running(job, ROWS)
    other = deploy.worker()
    stopped = time.monotonic()
    stopping.send(signal.SIGTERM)
    wait_for("the other worker continues", lambda: "books.import started" in other.log())
    measured(time.monotonic() - stopped)
    assert stopping.wait() == 0

    ended = ada.wait_for_job(job)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    assert ended["result"]["created"] == ROWS - ROWS // 100
