"""A worker with job kinds that harm it: `celery --app tests.system.faults.harmful_worker worker`."""

import logging
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from app.books import service
from app.jobs.handlers import Work, handles
from app.worker import celery

__all__ = ["celery"]

logger = logging.getLogger(__name__)

ISBN = "9780141439587"
FREE = 64 * 1024 * 1024  # bytes that a job can still allocate


@handles("poison.kill")
def kill(work: Work) -> Iterator[None]:
    """Kill the process, as a fault in a C library or the kernel's OOM killer does."""
    yield
    os.kill(os.getpid(), signal.SIGKILL)


@handles("poison.memory")
def exhaust(work: Work) -> Iterator[None]:
    """Allocate more memory than the process may have."""
    yield
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + FREE, limits[1]))
    try:
        allocated = b"x"
        while True:
            allocated += allocated
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)  # the process runs other jobs, too


@handles("poison.raise")
def fail(work: Work) -> Iterator[None]:
    """Raise at each attempt."""
    yield
    raise ValueError("poison")


@handles("poison.hang")
def hang(work: Work) -> Iterator[None]:
    """Never end a batch."""
    yield
    while True:
        time.sleep(1)


@handles("slow")
def pause(work: Work) -> Iterator[None]:
    """Take half a second for each batch. The input is the number of batches."""
    work.total = int(work.open().read())
    while work.done < work.total:
        time.sleep(0.5)
        work.done += 1
        yield


@handles("locked")
def hold_lock(work: Work) -> Iterator[None]:
    """Hold the lock of a new row in an open transaction for some seconds."""
    yield
    service.create(work.owner_id, title="Emma", author="Jane Austen", isbn=ISBN)
    logger.info("holds the lock")
    time.sleep(3)
    work.done = 1
    yield
