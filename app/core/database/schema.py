"""Whether this code can use the schema of the database."""

from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from app.core.database.base import db
from app.core.database.engine import read_connection
from app.core.urls import ROOT


class SchemaOutdated(Exception):
    """Migrations of this release have not run yet."""


def check_schema() -> None:
    """Compare the revision of the database with this code's migrations.

    An unknown revision belongs to a newer release, whose schema also supports the release before it.

    Raises:
        SchemaOutdated: The database lacks migrations of this code.
    """
    with read_connection(db.engine) as connection:
        has_revision = inspect(connection).has_table("alembic_version")
        current = connection.scalar(text("SELECT version_num FROM alembic_version")) if has_revision else None
    head, known = _revisions()
    if current is None or (current != head and current in known):
        raise SchemaOutdated(f"the schema is at {current}, the code at {head}: run flask db upgrade")


@cache
def _revisions() -> tuple[str | None, set[str]]:
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    return scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}
