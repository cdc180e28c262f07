"""The embedded broker: kombu's SQLAlchemy transport, made safe for several processes on one SQLite file."""

# mypy: allow-untyped-calls

from contextlib import suppress
from typing import Any

from kombu.transport import sqlalchemy
from kombu.transport.sqlalchemy.models import metadata
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import sessionmaker

from app.core.urls import create_folder


class Channel(sqlalchemy.Channel):
    """A channel that tolerates another process creating the same table or queue, or deleting the file."""

    def _open(self) -> Any:
        """Create an engine for this channel, which opens the file for each transaction.

        kombu shares one engine in the whole process, with the options of the first caller and with open connections:
        a worker's children would inherit them, and they would outlive the file.
        """
        client = self.connection.client
        connect_args = client.transport_options.get("connect_args", {})
        engine = create_engine(client.hostname, poolclass=NullPool, connect_args=connect_args)
        create_folder(str(engine.url.database))
        for _ in metadata.tables:
            # Another process may create a table between SQLAlchemy's check and its CREATE: retry once per table.
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
    """A transport that polls twice a second for messages, and as often lets the worker handle signals."""

    Channel = Channel
    polling_interval = 0.5

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Wait for a message, for half a second at most. Celery waits two, which would delay the worker's stop."""
        super().drain_events(connection, timeout and min(timeout, self.polling_interval))
