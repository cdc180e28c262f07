"""A worker that knows jobs which harm it, too: `celery --app tests.system.faults.poison worker`."""

import logging
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from app.books import service
from app.jobs.runner import Work, handles
from app.worker import celery

__all__ = ["celery"]

logger = logging.getLogger(__name__)

ISBN = "9780141439587"
ROOM = 64 * 1024 * 1024  # bytes that a job may still take


@handles("poison.kill")
def kill(work: Work) -> Iterator[None]:
    """Die at once, as of a fault in a C library, or because the kernel has run out of memory."""
    yield
    os.kill(os.getpid(), signal.SIGKILL)


@handles("poison.memory")
def exhaust(work: Work) -> Iterator[None]:
    """Take more memory than there is."""
    yield
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, limits[1]))
    try:
        taken = b"x"
        while True:
            taken += taken
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)  # the process goes on to other jobs


@handles("poison.raise")
def fail(work: Work) -> Iterator[None]:
    """Raise each time."""
    yield
    raise ValueError("poison")


@handles("poison.hang")
def hang(work: Work) -> Iterator[None]:
    """Never come to the end of a batch."""
    yield
    while True:
        time.sleep(1)


@handles("slow")
def pause(work: Work) -> Iterator[None]:
    """Take half a second a batch, for as long as the input says."""
    work.total = int(work.open().read())
    while work.done < work.total:
        time.sleep(0.5)
        work.done += 1
        yield


@handles("grip")
def grip(work: Work) -> Iterator[None]:
    """Stand for some seconds in the middle of a transaction, with a row that nobody else can add meanwhile."""
    yield
    service.create(work.owner_id, title="Emma", author="Jane Austen", isbn=ISBN)
    logger.info("has a grip on it")
    time.sleep(3)
    work.done = 1
    yield
