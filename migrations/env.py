"""How Alembic runs here: `flask db` calls this, with the application's engine and models."""

import logging
import sys
from typing import Any, Literal

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.core import database
from app.core.database import db

LOCK_TIMEOUT = 5  # seconds; a migration that waits for a lock makes every request behind it wait, too
TURN_TIMEOUT = 600  # seconds; two releases at once: one migrates, and the other waits until it is through

logger = logging.getLogger("app.migrations")


def write_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Name the application's own column types as `app/core/database.py` does."""
    own = {database.BigInt: "BigInt", database.Bytes: "Bytes"}
    name = "UTCDateTime()" if isinstance(item, database.UTCDateTime) else own.get(item)
    return f"database.{name}" if kind == "type" and name else False


def leave_out_empty_revisions(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write no file when models and migrations agree."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives.clear()
        click.echo("Models and migrations agree: nothing to write.")


def prepare(connection: Connection) -> None:
    """Keep SQLite, where a changed table is made anew, from cascading its disposal; and let it wait for its turn."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")  # heeded only outside a transaction
        driver.execute(f"PRAGMA busy_timeout={TURN_TIMEOUT * 1000}")


def take_turn(connection: Connection) -> None:
    """Wait until nobody else migrates this database; then bound the wait for what requests have locked.

    PostgreSQL forgets both with the transaction, so that a pooler's next client does not inherit them. SQLite has
    waited already: its transaction began by taking the one lock that there is.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TURN_TIMEOUT}s'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('migrations'))")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")
    elif connection.dialect.name in ("mysql", "mariadb"):
        turn = f"SELECT GET_LOCK(SHA1(CONCAT('migrations of ', DATABASE())), {TURN_TIMEOUT})"
        if connection.exec_driver_sql(turn).scalar() != 1:
            raise click.ClickException(f"Another process has been migrating this database for {TURN_TIMEOUT} seconds.")
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_TIMEOUT}")


def changes_schema() -> bool:
    """Whether this is no command that only looks, such as `flask db current`, or prints (`--sql`)."""
    command = click.get_current_context(silent=True)
    return not context.is_offline_mode() and (command is None or command.info_name in ("upgrade", "downgrade", "stamp"))


def is_rolled_back() -> bool:
    """Whether `flask db upgrade` was called by a release older than the schema, which a rollback leaves as it is.

    A platform runs the release phase on a rollback, too. The newer schema bears the older code (see the first
    migration), so there is nothing to do. Any other command refuses a revision that it does not know.
    """
    command = click.get_current_context(silent=True)
    if command is None or command.info_name != "upgrade" or command.params.get("revision") != "head":
        return False
    known = {script.revision for script in context.script.walk_revisions()}
    newer = set(context.get_context().get_current_heads()) - known
    if newer:
        logger.warning("the schema is at %s, of a newer release, and stays as it is", ", ".join(newer))
    return bool(newer)


def run() -> None:
    """Run the migrations, in one transaction where the database can."""
    if context.is_offline_mode():  # what is printed is a script
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(sys.stderr)
    options = current_app.extensions["migrate"].configure_args | {
        "process_revision_directives": leave_out_empty_revisions,
        "render_item": write_type,
        "transactional_ddl": db.engine.dialect.name != "mysql",  # SQLite can, too, though Alembic thinks it cannot
    }
    try:
        connection = db.engine.connect()
    except OperationalError as error:
        where = db.engine.url.render_as_string(hide_password=True)
        reason, *_ = str(error.orig).splitlines()  # PostgreSQL's driver goes on with guesses
        raise click.ClickException(f"The database at {where} does not answer: {reason}") from None
    try:
        with connection:
            prepare(connection)
            context.configure(connection=connection, target_metadata=db.metadata, **options)
            with context.begin_transaction():
                if changes_schema():
                    take_turn(connection)
                if not is_rolled_back():
                    context.run_migrations()
    finally:
        db.engine.dispose()  # what was prepared for migrations is not for requests


run()
