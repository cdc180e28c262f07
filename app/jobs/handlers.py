"""The interface of job handlers: `handles` registers one, `Work` is its argument, `JobFailed` ends the job."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app.core.database import db
from app.jobs.models import JobInput

ATTEMPTS = 3
LONGEST_BACKOFF = timedelta(hours=1)


@dataclass
class Work:
    """A claimed job, as its handler sees it.

    Attributes:
        job_id: The id of the job.
        claim: The token of the worker that runs the job.
        args: The arguments that were passed to `enqueue`.
        done: The number of finished items. When a job resumes, it is the number of the last commit.
        total: The number of items, or None while it is unknown.
        result: The result that the user sees. It must be JSON.
    """

    job_id: int
    _owner_id: int | None
    claim: str
    args: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int | None = None
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def owner_id(self) -> int:
        """The id of the user to whom the job belongs.

        Raises:
            LookupError: The job has no owner.
        """
        if self._owner_id is None:
            raise LookupError(f"job {self.job_id} has no owner")
        return self._owner_id

    def open(self) -> io.BufferedReader:
        """Open the input, from its beginning. Only one part of it is in memory at a time."""
        return io.BufferedReader(_Input(self.job_id))


class JobFailed(Exception):
    """The job cannot succeed, so it is not tried again. The message is shown to its owner."""


Handler = Callable[[Work], Iterator[None]]
Backoff = Callable[[int], timedelta]


@dataclass(frozen=True)
class Kind:
    """How the jobs of one kind are run; the attributes are the arguments of `handles`."""

    handler: Handler
    attempts: int
    backoff: Backoff


kinds: dict[str, Kind] = {}


def exponential(failed: int) -> timedelta:
    """The default backoff: 2, 4, 8 … seconds, an hour at most."""
    return min(timedelta(seconds=2 ** min(failed, 30)), LONGEST_BACKOFF)


def handles(kind: str, *, attempts: int = ATTEMPTS, backoff: Backoff = exponential) -> Callable[[Handler], Handler]:
    """Register the decorated generator as the handler of a kind of job.

    What the handler changes in the database, and its progress in `work`, are committed together at each `yield`. If
    the job is interrupted, the handler is called again with the progress of the last commit. If it raises an error,
    the job is tried again later. If it raises `JobFailed`, the job fails at once.

    Args:
        kind: The feature and a verb, such as "films.tidy"; 50 characters at most.
        attempts: How often the job is tried.
        backoff: Returns the pause after so many failed attempts. The runner varies it by up to a half.

    Raises:
        ValueError: The kind has another handler.
    """

    def register(handler: Handler) -> Handler:
        if kind in kinds:
            both = " and ".join(f"{one.__module__}.{one.__qualname__}" for one in (kinds[kind].handler, handler))
            raise ValueError(f"The job kind {kind!r} has two handlers: {both}.")
        kinds[kind] = Kind(handler, attempts, backoff)
        return handler

    return register


class _Input(io.RawIOBase):
    """The input of a job, read part by part."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id
        self._next = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            part = select(JobInput.data).where(JobInput.job_id == self._job_id, JobInput.part == self._next)
            self._rest = db.session.scalar(part) or b""
            self._next += 1
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
