"""The embedded broker: kombu's SQLAlchemy transport, fit for several processes on one SQLite file."""

# mypy: allow-untyped-calls

from typing import Any

from kombu.transport import sqlalchemy
from sqlalchemy.exc import IntegrityError, OperationalError


class Channel(sqlalchemy.Channel):
    """A channel that takes it well when another process creates the same table or queue at the same moment."""

    def _open(self) -> Any:
        try:
            return super()._open()
        except OperationalError:  # the table was not there when kombu looked, and was when it came to create it
            return super()._open()

    def _get_or_create(self, queue: str) -> Any:
        try:
            return super()._get_or_create(queue)
        except IntegrityError:
            self.session.rollback()
            return super()._get_or_create(queue)


class Transport(sqlalchemy.Transport):
    """A transport that looks for messages, and lets its worker look for signals, twice a second."""

    Channel = Channel
    polling_interval = 0.5

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Wait for a message, but not for Celery's two seconds: it would be as long until the worker stops."""
        super().drain_events(connection, timeout and min(timeout, self.polling_interval))
