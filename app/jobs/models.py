"""Jobs, and what they work on."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, BigInt, Bytes, Id, Timestamp, utcnow


class Job(Base):
    """A promise of work. Its row is the truth about it; messages about it are hints.

    `status` goes from `queued` to `running`, perhaps back again, and ends in `succeeded`, `failed` or `cancelled`. A
    running job belongs to the worker that holds its `claim`. `wake_at` is when a sweep looks at it, unless somebody has
    moved that moment on: a queued job is then announced again, a running one taken back, for its lease has ended. It is
    null once the job has ended.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "owner_id", "id"),)

    id: Mapped[Id]
    owner_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(10), default="queued")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]  # unknown until a worker has looked
    attempts: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(200))
    claim: Mapped[str | None] = mapped_column(String(32))
    wake_at: Mapped[Timestamp | None] = mapped_column(index=True)
    created_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    started_at: Mapped[Timestamp | None]
    finished_at: Mapped[Timestamp | None] = mapped_column(index=True)

    @property
    def progress(self) -> "Progress":
        """How far it is."""
        return Progress(self.done, self.total)


@dataclass(frozen=True)
class Progress:
    """How many items of a job are done, of how many; nobody knows before a worker has looked."""

    done: int
    total: int | None


class JobInput(Base):
    """A part of a job's input: parts, so that no server's packet limit bounds the whole."""

    __tablename__ = "job_inputs"

    job_id: Mapped[int] = mapped_column(BigInt, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(Bytes)
