"""Releases: a build and a configuration; a newer one has code and a migration that the older does not know."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from app.core.urls import database_url
from tests.system.faults.processes import Worker
from tests.system.formation import LINES, Service
from tests.system.twelve_factor.builds import Build
from tests.system.twelve_factor.one_offs import one_off

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
# In the model: the newer code writes and reads the new column.
BEFORE = "    title: Mapped[str] = mapped_column(String(500))\n"
AFTER = f'{BEFORE}    shelf: Mapped[str | None] = mapped_column(String(20), default="new")\n'


@dataclass(frozen=True)
class Release:
    """A tree, the environment that it runs in, and the configuration."""

    tree: Path
    build: Build
    variables: Mapping[str, str | int]

    def run(self, *command: str) -> tuple[int, str]:
        """Run a one-off process of this release: its exit code, and what it printed."""
        return one_off(self._all_variables(), *command, cwd=self.tree)

    def web(self, folder: Path) -> Service:
        """A web process, not yet started."""
        return Service(LINES["web"].split(), folder, self._all_variables(), cwd=self.tree)

    def worker(self, folder: Path) -> Worker:
        """A worker, not yet started."""
        return Worker(LINES["worker"].split(), folder, self._all_variables(), cwd=self.tree)

    def _all_variables(self) -> dict[str, str | int]:
        return dict(self.variables) | self.build.variables


def next_release(release: Release, folder: Path, name: str, *, raising: bool = False, **variables: str) -> Release:
    """Make the release that comes after: a new column, which its code uses, and a table; perhaps it goes too far."""
    tree = Path(shutil.copytree(release.tree, folder / name))
    model = tree / "app" / "books" / "models.py"
    assert BEFORE in model.read_text()
    model.write_text(model.read_text().replace(BEFORE, AFTER))
    head = ScriptDirectory(str(tree / "migrations")).get_current_head()
    migrations = tree / "migrations" / "versions"
    (migrations / "shelves.py").write_text(MIGRATION.format(head=head))
    if raising:
        (migrations / "raising.py").write_text(RAISING)
    return Release(tree, release.build, dict(release.variables) | {"HEROKU_RELEASE_VERSION": name} | variables)


def schema(release: Release) -> dict[str, Any]:
    """The columns of each table, and the revision that the database is at."""
    engine = create_engine(database_url(str(release.variables["DATABASE_URL"])))
    tables = inspect(engine)
    found: dict[str, Any] = {
        name: [column["name"] for column in tables.get_columns(name)] for name in tables.get_table_names()
    }
    with engine.connect() as connection:
        found["revision"] = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    return found
