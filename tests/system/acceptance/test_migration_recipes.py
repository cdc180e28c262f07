"""The recipes of `docs/migrations.md` run on each database, one after another: up and down, twice."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import inspect

from app import create_app
from app.core.database import db
from app.users.models import User
from tests.conftest import every_database, make_settings
from tests.support.environment import ROOT
from tests.support.services import new_database

HEAD = str(ScriptDirectory(str(ROOT / "migrations")).get_current_head())
HEADER = """import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{down_revision}"


"""
# What the recipes take for granted: the columns of the foreign key, and of the new name.
PREPARATION = """def upgrade() -> None:
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.add_column(sa.Column("reviewer_id", sa.BigInteger(), nullable=True))
        batch_op.create_index("ix_jobs_reviewer_id", ["reviewer_id"])
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("display_name", sa.String(length=200), nullable=True))
    op.execute("UPDATE users SET display_name = name")


def downgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("display_name")
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.drop_index("ix_jobs_reviewer_id")
        batch_op.drop_column("reviewer_id")
"""


def recipes() -> list[str]:
    """The blocks of the document that are the functions of a migration."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "migrations.md").read_text(), re.DOTALL)
    return [block for block in blocks if "def upgrade()" in block]


@pytest.fixture
def migrations(tmp_path: Path) -> str:
    """The folder of migrations, with the recipes after its own."""
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    previous = HEAD
    for number, functions in enumerate([PREPARATION, *recipes()]):
        revision = f"recipe_{number}"
        header = HEADER.format(revision=revision, down_revision=previous)
        (folder / "versions" / f"{revision}.py").write_text(header + functions)
        previous = revision
    return str(folder)


@pytest.fixture
def fresh(database: str, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database with all migrations and one user, in its context."""
    with new_database(database, tmp_path) as url:
        app = create_app(make_settings(url, f"sqla+sqlite:///{tmp_path}/broker.db"))
        with app.app_context():
            flask_migrate.upgrade()
            db.session.add(User(email="ada@example.org", name="Ada", password_hash="-"))
            db.session.commit()
            yield app
            db.session.remove()
            db.engine.dispose()


def columns(table: str) -> set[str]:
    """The columns of a table in the database."""
    return {column["name"] for column in inspect(db.engine).get_columns(table)}


@every_database
def test_the_recipes_run_up_and_down_twice(fresh: Flask, migrations: str) -> None:
    before = columns("users"), columns("jobs")
    for _ in range(2):
        flask_migrate.upgrade(directory=migrations)
        assert columns("users") - before[0] == {"locale", "search_name", "display_name"}
        assert before[0] - columns("users") == {"name"}
        assert "ix_users_created_at" in {index["name"] for index in inspect(db.engine).get_indexes("users")}
        assert "fk_jobs_reviewer_id_users" in {key["name"] for key in inspect(db.engine).get_foreign_keys("jobs")}
        with db.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT search_name FROM users").scalar_one() == "ada"
        flask_migrate.downgrade(directory=migrations, revision=HEAD)
        assert (columns("users"), columns("jobs")) == before
        with db.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT name FROM users").scalar_one() == "Ada"
