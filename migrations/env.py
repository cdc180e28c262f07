"""How Alembic runs here: `flask db` calls this, with the application's engine and models."""

from typing import Any, Literal

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.core import database
from app.core.extensions import db

LOCK_TIMEOUT = 5  # seconds; a migration that waits for a lock makes every request behind it wait, too


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
    """Bound the wait for locks, and keep SQLite, where a changed table is made anew, from cascading its disposal."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}s'")
    elif connection.dialect.name in ("mysql", "mariadb"):
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_TIMEOUT}")
    else:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")  # heeded only outside a transaction
    connection.commit()


def run() -> None:
    """Run the migrations, in one transaction where the database can."""
    options = current_app.extensions["migrate"].configure_args | {
        "process_revision_directives": leave_out_empty_revisions,
        "render_item": write_type,
    }
    try:
        connection = db.engine.connect()
    except OperationalError as error:
        where = db.engine.url.render_as_string(hide_password=True)
        reason, *_ = str(error.orig).splitlines()  # PostgreSQL's driver goes on with guesses
        raise click.ClickException(f"The database at {where} does not answer: {reason}") from None
    with connection:
        prepare(connection)
        context.configure(connection=connection, target_metadata=db.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()
    db.engine.dispose()  # what was prepared for migrations is not for requests


run()
