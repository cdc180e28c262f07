"""Live workers: each writes a heartbeat to the database every few seconds, independently of the broker."""

from datetime import timedelta

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.checks import CheckFailed, doctor_check
from app.core.commands import prunes
from app.core.database import Base, Timestamp, affected_rows, commit, db, db_now, read_connection
from app.core.settings import current_settings

LIVE_FOR = timedelta(seconds=20)  # after the last heartbeat; a worker writes one about every five seconds
KEPT_FOR = timedelta(days=1)


class Heartbeat(Base):
    """A worker process and the time of its last heartbeat, by the database's clock."""

    __tablename__ = "heartbeats"

    worker: Mapped[str] = mapped_column(String(32), primary_key=True)
    release: Mapped[str] = mapped_column(String(100))
    seen_at: Mapped[Timestamp]


def beat(worker: str) -> None:
    """Record that a worker is alive."""
    db.session.merge(Heartbeat(worker=worker, release=current_settings().release[:100], seen_at=db_now()))
    commit()


def live_workers() -> list[str]:
    """The releases of the live workers, one entry per worker."""
    recent = select(Heartbeat.release).where(Heartbeat.seen_at > db_now() - LIVE_FOR).order_by(Heartbeat.release)
    with read_connection(db.engine) as connection:
        return list(connection.scalars(recent))


@doctor_check("worker", remedy="start one: the Procfile's `worker`", needs="migrations", before_release=False)
def check_worker() -> str:
    """Fail unless a worker is alive."""
    releases = live_workers()
    if not releases:
        raise CheckFailed("no live worker: jobs are accepted but not run")
    return f"{len(releases)} live, of release {', '.join(sorted(set(releases)))}"


@prunes("heartbeats of stopped workers")
def delete_stopped() -> int:
    """Delete the heartbeats of workers that were last seen a day ago."""
    return affected_rows(delete(Heartbeat).where(Heartbeat.seen_at < db_now() - KEPT_FOR))
