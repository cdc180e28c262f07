"""The worker's pool of processes, with locks that a killed process does not keep.

With the embedded broker, idle children wait for a job while they hold a semaphore. The kernel does not release a
semaphore when its process is killed, so the other children would wait for ever. It does release a lock on a file.
"""

# mypy: allow-untyped-calls

import fcntl
import tempfile

from billiard.pool import Pool
from celery.concurrency.prefork import TaskPool


class FileLock:
    """A lock between processes, on an unnamed temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the lock exists

    def acquire(self) -> bool:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class KillablePool(Pool):
    """A pool that goes on after any of its processes is killed."""

    def _setup_queues(self) -> None:
        super()._setup_queues()
        self._inqueue._rlock = FileLock()  # noqa: SLF001
        self._outqueue._wlock = FileLock()  # noqa: SLF001


def use_killable_pool() -> None:
    """Let Celery create this pool where it would create billiard's. Redis and RabbitMQ have a pool without locks."""
    TaskPool.BlockingPool = KillablePool
