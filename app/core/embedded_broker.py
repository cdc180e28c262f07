"""The embedded broker: kombu's SQLAlchemy transport, fit for several processes on one SQLite file."""

# mypy: allow-untyped-calls

from contextlib import suppress
from typing import Any

from kombu.transport import sqlalchemy
from kombu.transport.sqlalchemy.models import metadata
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import sessionmaker


class Channel(sqlalchemy.Channel):
    """A channel that takes it well when another process creates the same table or queue, or deletes the file."""

    def _open(self) -> Any:
        """Make an engine of the channel's own, which opens the file anew each time.

        kombu's is one for the whole process, with the options of whoever came first, and with open connections: they
        would be inherited by a worker's children, and outlive the file.
        """
        client = self.connection.client
        connect_args = client.transport_options.get("connect_args", {})
        engine = create_engine(client.hostname, poolclass=NullPool, connect_args=connect_args)
        for _ in metadata.tables:
            # A table that was not there when SQLAlchemy looked may be there when it comes to create it: once for each.
            with suppress(OperationalError):
                metadata.create_all(engine)
                break
        else:
            metadata.create_all(engine)
        return engine, sessionmaker(engine)

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
