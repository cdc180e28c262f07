"""Releases of one deploy: a newer release has code and a migration that the older release does not have."""

import shutil
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from app.core.urls import database_url
from tests.system.harness.deploy import Deploy

MIGRATION = '''"""Shelves."""

import sqlalchemy as sa
from alembic import op

revision = "shelves"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("shelves", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("books", sa.Column("shelf", sa.String(20), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("books") as batch:
        batch.drop_column("shelf")
    op.drop_table("shelves")
'''
RAISING = '''"""Cannot be."""

revision = "raising"
down_revision = "shelves"


def upgrade() -> None:
    raise RuntimeError("the data is not as expected")
'''
# The newer code reads and writes the new column of the model.
BEFORE = "    title: Mapped[str] = mapped_column(String(500))\n"
AFTER = f'{BEFORE}    shelf: Mapped[str | None] = mapped_column(String(20), default="new")\n'


def next_release(release: Deploy, folder: Path, name: str, *, raising: bool = False, **variables: str) -> Deploy:
    """Create the next release: a new column, which its code uses, and a new table. Perhaps its last migration fails."""
    tree = Path(shutil.copytree(release.tree, folder / name))
    model = tree / "app" / "books" / "models.py"
    assert BEFORE in model.read_text()
    model.write_text(model.read_text().replace(BEFORE, AFTER))
    head = ScriptDirectory(str(tree / "migrations")).get_current_head()
    migrations = tree / "migrations" / "versions"
    (migrations / "shelves.py").write_text(MIGRATION.format(head=head))
    if raising:
        (migrations / "raising.py").write_text(RAISING)
    changed = release.variables | {"HEROKU_RELEASE_VERSION": name} | variables
    return Deploy(release.database_url, release.broker_url, folder, tree=tree, **changed)


def schema(release: Deploy) -> dict[str, Any]:
    """The columns of each table, and the revision of the database."""
    engine = create_engine(database_url(release.database_url))
    tables = inspect(engine)
    found: dict[str, Any] = {
        name: [column["name"] for column in tables.get_columns(name)] for name in tables.get_table_names()
    }
    with engine.connect() as connection:
        found["revision"] = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    return found
