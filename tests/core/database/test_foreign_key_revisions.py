"""Generated revisions of indexed foreign keys run in both directions on every database."""

import re
from pathlib import Path

import flask_migrate
import pytest
from sqlalchemy import Column, ForeignKey, Index, MetaData, String, Table, inspect

from app.core.database import BigInt, db
from tests.conftest import every_database
from tests.core.database.conftest import copy_of_models

pytestmark = pytest.mark.usefixtures("migrated")


def generate(migrations: Path, metadata: MetaData, message: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Generate a revision for these models. Returns its text."""
    monkeypatch.setitem(db.metadatas, None, metadata)
    flask_migrate.migrate(directory=str(migrations), message=message)
    (script,) = migrations.glob(f"versions/*_{message}.py")
    return script.read_text()


def up_and_down_and_up(migrations: Path) -> None:
    for _ in range(2):
        flask_migrate.upgrade(directory=str(migrations))
        flask_migrate.downgrade(directory=str(migrations), revision="-1")
    flask_migrate.upgrade(directory=str(migrations))
    flask_migrate.check(directory=str(migrations))


@every_database
def test_a_new_table(migrations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_films = copy_of_models()
    columns = (Column("id", BigInt, primary_key=True), Column("title", String(100), index=True))
    Table("films", with_films, *columns, Column("user_id", BigInt, ForeignKey("users.id"), index=True))
    generate(migrations, with_films, "films", monkeypatch)
    up_and_down_and_up(migrations)
    assert "films" in inspect(db.engine).get_table_names()


@every_database
def test_a_new_column_that_is_dropped_later(migrations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without, with_column = copy_of_models(), copy_of_models()
    key = ForeignKey("users.id", ondelete="SET NULL")
    with_column.tables["jobs"].append_column(Column("reviewer_id", BigInt, key, index=True))
    generate(migrations, with_column, "reviewers", monkeypatch)
    up_and_down_and_up(migrations)
    generate(migrations, without, "no_reviewers", monkeypatch)
    up_and_down_and_up(migrations)
    assert "reviewer_id" not in {column["name"] for column in inspect(db.engine).get_columns("jobs")}


@every_database
def test_another_index_for_a_foreign_key(migrations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = copy_of_models()
    sessions = changed.tables["sessions"]
    (old,) = (index for index in sessions.indexes if index.name == "ix_sessions_user_id")
    sessions.indexes.remove(old)
    Index(None, sessions.c.user_id, sessions.c.expires_at)
    script = generate(migrations, changed, "sessions_of_users", monkeypatch)
    assert len(re.findall("create_index|drop_index", script)) == 4
    up_and_down_and_up(migrations)


@every_database
def test_an_index_that_keeps_its_name(migrations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one is dropped first."""
    changed = copy_of_models()
    jobs = changed.tables["jobs"]
    (old,) = (index for index in jobs.indexes if index.name == "ix_jobs_wake_at")
    jobs.indexes.remove(old)
    Index("ix_jobs_wake_at", jobs.c.wake_at, jobs.c.id)
    generate(migrations, changed, "longer_index", monkeypatch)
    up_and_down_and_up(migrations)
