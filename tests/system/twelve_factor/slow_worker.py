"""A worker with slow jobs: `celery --app tests.system.twelve_factor.slow_worker worker`."""

import logging
import signal
import time
from collections.abc import Iterator

from app.books import tasks
from app.jobs.handlers import Work, handles
from app.worker import celery

__all__ = ["celery"]

logger = logging.getLogger(__name__)


@handles("sleep")
def sleep(work: Work) -> Iterator[None]:
    """Take a second."""
    time.sleep(1)
    yield


@handles("import.paused")
def pause(work: Work) -> Iterator[None]:
    """Import. The first attempt pauses in the middle, with SIGALRM blocked, until it gets SIGUSR2."""
    first, paused = work.done == 0, False
    for _ in tasks.import_books(work):
        yield
        if first and not paused and 2 * work.done > (work.total or 0):
            paused = True
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGUSR2})
            logger.info("waits for SIGUSR2")
            signal.sigwait({signal.SIGUSR2})
