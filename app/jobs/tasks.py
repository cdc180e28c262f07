"""What the broker's messages call, in a worker's child process."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

from celery import shared_task

from app.core.broker import publish
from app.jobs import runner
from app.jobs.service import RUN

PARENT_LISTENS = 1.0  # seconds, at most, that a worker still takes messages after TERM

_stopping = Event()


@shared_task(name=RUN)
def run_job(job_id: int) -> None:
    """Job `job_id` is waiting."""
    signal.signal(signal.SIGTERM, lambda *_: _stopping.set())  # here, because the pool resets what is set before
    if _stopping.is_set():
        time.sleep(PARENT_LISTENS)
        publish(RUN, job_id)  # for another worker
        return
    with _batches_within_the_lease():
        runner.run(job_id, _go_on)


def _go_on() -> bool:
    """After a batch: a new lease, unless the platform has sent TERM, as it does to every process."""
    signal.setitimer(signal.ITIMER_REAL, runner.LEASE.total_seconds())
    return not _stopping.is_set()


@contextmanager
def _batches_within_the_lease() -> Iterator[None]:
    """Break off a batch that outlasts its lease: it could not be committed, and would occupy the worker for ever."""

    def break_off(*_: Any) -> None:
        raise TimeoutError("the batch has outlasted the lease")

    signal.signal(signal.SIGALRM, break_off)
    _go_on()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
