"""Jobs and their input."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, BigInt, Bytes, Id, Timestamp, db_now


class Job(Base):
    """A unit of work. Its row is the truth about it; messages about it are hints.

    `status` starts as `queued`, becomes `running`, perhaps `queued` again, and ends as `succeeded`, `failed` or
    `cancelled`. A running job belongs to the worker that knows its `claim`. A queued job has none, except during the
    pause after an error: until `wake_at`, no worker may claim it. At `wake_at`, a sweep publishes a queued job again,
    or takes a running job back because its lease has ended; it is null after the end. Workers renew the lease by
    moving `wake_at`. All times are those of the database's clock.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "owner_id", "id"),)

    id: Mapped[Id]
    owner_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(50))
    queue: Mapped[str] = mapped_column(String(50), server_default="default")
    args: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    status: Mapped[str] = mapped_column(String(10), default="queued")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]  # unknown before the first batch
    attempts: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(200))
    claim: Mapped[str | None] = mapped_column(String(32))
    wake_at: Mapped[Timestamp | None] = mapped_column(index=True)
    created_at: Mapped[Timestamp] = mapped_column(default=db_now())
    started_at: Mapped[Timestamp | None]
    finished_at: Mapped[Timestamp | None] = mapped_column(index=True)

    @property
    def progress(self) -> "Progress":
        """How many items are done."""
        return Progress(self.done, self.total)


@dataclass(frozen=True)
class Progress:
    """How many items of a job are done, and how many there are; `total` is None while it is unknown."""

    done: int
    total: int | None


class JobInput(Base):
    """A part of a job's input. Each part is smaller than the packet limit of any database server."""

    __tablename__ = "job_inputs"

    job_id: Mapped[int] = mapped_column(BigInt, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(Bytes)
