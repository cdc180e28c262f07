"""The Celery task that runs a job, in a child process of a worker."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from celery import shared_task

from app.core.broker import publish
from app.jobs import runner
from app.jobs.service import RUN

PARENT_STOPS_WITHIN = 1.0  # seconds after TERM, in which the parent may still receive messages

_stop = SimpleNamespace(requested=False)  # not a threading.Event: its lock is not safe in a signal handler


@shared_task(name=RUN)
def run_job(job_id: int) -> None:
    """Run a job, unless this worker is stopping."""
    # Here, because Celery's pool resets the signal handlers that are set before.
    signal.signal(signal.SIGTERM, _request_stop)
    if _stop.requested:
        time.sleep(PARENT_STOPS_WITHIN)  # else this worker might receive the message again
        publish(RUN, job_id)
        return
    with _time_limit_per_batch():
        runner.run(job_id, _go_on)


def _request_stop(*_: Any) -> None:
    _stop.requested = True


def _go_on() -> bool:
    """Called after each batch: restart the time limit, and stop if the platform has sent TERM."""
    signal.setitimer(signal.ITIMER_REAL, runner.LEASE.total_seconds())
    return not _stop.requested


@contextmanager
def _time_limit_per_batch() -> Iterator[None]:
    """Raise `TimeoutError` in a batch that takes longer than the lease: it could not be committed any more."""

    def time_out(*_: Any) -> None:
        raise TimeoutError("the batch took longer than the lease")

    signal.signal(signal.SIGALRM, time_out)
    signal.setitimer(signal.ITIMER_REAL, runner.LEASE.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
