"""How Alembic runs here: `flask db` executes this file, with the application's engine and models."""

import logging
import sys
from contextlib import nullcontext
from typing import Any

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.core.database import batch, db  # noqa: F401  # batch changes Alembic
from app.core.database.migration_lock import TURN_TIMEOUT, StillLocked, limit_lock_waits, migration_lock
from app.core.database.revisions import process_revision, write_type

logger = logging.getLogger("app.migrations")


def configure(**options: Any) -> None:
    """Configure Alembic."""
    context.configure(
        target_metadata=db.metadata,
        process_revision_directives=process_revision,
        render_item=write_type,
        transactional_ddl=db.engine.dialect.name != "mysql",  # SQLite has it, too, although Alembic's default says no
        **current_app.extensions["migrate"].configure_args,
        **options,
    )


def changes_schema() -> bool:
    """Whether the command changes the schema, unlike `flask db current`."""
    command = click.get_current_context(silent=True)
    return command is None or command.info_name in ("upgrade", "downgrade", "stamp")


def upgrades_to_head() -> bool:
    """Whether the command is `flask db upgrade`, as in the release phase."""
    command = click.get_current_context(silent=True)
    return command is not None and command.info_name == "upgrade" and command.params.get("revision") == "head"


def unknown_revisions() -> set[str]:
    """The revisions of the database that this code does not have: a newer release has applied them."""
    known = {script.revision for script in context.script.walk_revisions()}
    return set(context.get_context().get_current_heads()) - known


def print_sql() -> None:
    """Print the migrations as a script (`--sql`), without a connection."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    configure(dialect_name=db.engine.dialect.name, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def connect() -> Connection:
    """Connect to the database, or end the command with a message."""
    try:
        return db.engine.connect()
    except OperationalError as error:
        where = db.engine.url.render_as_string(hide_password=True)
        reason, *_ = str(error.orig).splitlines()  # further lines of PostgreSQL's driver are guesses
        raise click.ClickException(f"Cannot connect to the database at {where}: {reason}") from None


def migrate(connection: Connection) -> None:
    """Run the command, in one transaction where the database can roll back changes of the schema."""
    if connection.dialect.name == "sqlite":
        # SQLite copies a table to change it. Deleting the old one must not delete the rows that refer to it.
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")  # has no effect in a transaction
    configure(connection=connection)
    with context.begin_transaction():
        # A platform runs the release phase after a rollback, too. The older code works with the newer schema.
        if upgrades_to_head() and (unknown := unknown_revisions()):
            logger.warning("the schema is at %s, of a newer release, and stays as it is", ", ".join(unknown))
            return
        context.run_migrations()


def run() -> None:
    """Run the command on the database.

    Connect after the wait for the lock: MySQL and MariaDB close a connection that is idle for `wait_timeout`.
    """
    try:
        connect().close()  # an error before the lock
        with migration_lock(db.engine) if changes_schema() else nullcontext(), connect() as connection:
            if changes_schema():
                limit_lock_waits(connection)
            migrate(connection)
    except StillLocked:
        message = f"Another process has been migrating this database for {TURN_TIMEOUT} seconds."
        raise click.ClickException(message) from None
    finally:
        db.engine.dispose()  # the settings for migrations must not apply to requests


if context.is_offline_mode():
    print_sql()
else:
    run()
