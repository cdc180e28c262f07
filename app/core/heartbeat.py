"""Which workers live: each says so in the database every few seconds, whatever becomes of the broker."""

from datetime import timedelta

from flask import current_app
from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.commands import prunes
from app.core.database import Base, Timestamp, reading, utcnow
from app.core.extensions import db
from app.core.unit_of_work import affected_rows, commit

SILENT = timedelta(seconds=20)  # a worker beats about every five
KEPT = timedelta(days=1)


class Heartbeat(Base):
    """A worker, from its start to its end, and when it was last seen."""

    __tablename__ = "heartbeats"

    worker: Mapped[str] = mapped_column(String(32), primary_key=True)
    release: Mapped[str] = mapped_column(String(100))
    seen_at: Mapped[Timestamp]


def beat(worker: str) -> None:
    """Say that a worker lives."""
    release = current_app.extensions["settings"].release[:100]
    db.session.merge(Heartbeat(worker=worker, release=release, seen_at=utcnow()))
    commit()


def live_workers() -> list[str]:
    """The releases of the workers that live: one of each worker."""
    recent = select(Heartbeat.release).where(Heartbeat.seen_at > utcnow() - SILENT).order_by(Heartbeat.release)
    with reading(db.engine) as connection:
        return list(connection.scalars(recent))


@prunes("workers that are gone")
def delete_silent() -> int:
    """Delete the workers that have not been seen for a day."""
    return affected_rows(delete(Heartbeat).where(Heartbeat.seen_at < utcnow() - KEPT))
