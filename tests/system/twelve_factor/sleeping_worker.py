"""A worker with jobs that mostly wait: `celery --app tests.system.twelve_factor.sleeping_worker worker`."""

import logging
import signal
import time
from collections.abc import Iterator

from app.books import tasks
from app.jobs.runner import Work, handles
from app.worker import celery

__all__ = ["celery"]

logger = logging.getLogger(__name__)


@handles("sleep")
def sleep(work: Work) -> Iterator[None]:
    """Wait for a second."""
    time.sleep(1)
    yield


@handles("import.standing")
def stand(work: Work) -> Iterator[None]:
    """Import, but at the first attempt stand in the middle, deaf to all but SIGUSR2; then go on as if nothing were."""
    first, stood = work.done == 0, False
    for _ in tasks.import_books(work):
        yield
        if first and not stood and 2 * work.done > (work.total or 0):
            stood = True
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGUSR2})
            logger.info("stands still")
            signal.sigwait({signal.SIGUSR2})
