"""`flask db revision` and `flask db migrate`: what they write."""

import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from sqlalchemy import Column, MetaData, inspect

from app import create_app
from app.core.database import Base, BigInt, Bytes, UTCDateTime, db
from app.core.urls import ROOT
from tests.conftest import make_settings
from tests.support.environment import BIN
from tests.support.services import new_database

HEAD = ScriptDirectory(str(ROOT / "migrations")).get_current_head()


@pytest.fixture
def url(database: str, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    with new_database(database, tmp_path) as url:
        yield url


@pytest.fixture
def fresh(url: str, tmp_path: Path) -> Iterator[Flask]:
    """An application on an empty database, in its context."""
    app = create_app(make_settings(url, f"sqla+sqlite:///{tmp_path}/broker.db"))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def tables() -> set[str]:
    """The tables that are there."""
    return set(inspect(db.engine).get_table_names())


def drift(metadata: MetaData) -> list[Any]:
    """How the database and the models differ."""
    options = current_app.extensions["migrate"].configure_args | {"compare_type": True, "compare_server_default": True}
    with db.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def copy_of_models() -> MetaData:
    """The models' tables, to be altered."""
    copy = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        table.to_metadata(copy)
    return copy


@pytest.fixture
def migrations(tmp_path: Path, fresh: Flask) -> Path:
    """A copy of the folder of migrations, for new ones; its database is up to date."""
    flask_migrate.upgrade()
    folder = tmp_path / "migrations"
    for file in (ROOT / "migrations").rglob("*.*"):
        if file.suffix != ".pyc":
            copy = folder / file.relative_to(ROOT / "migrations")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    return folder


def ruff(script: Path, command: str, *options: str) -> str:
    """What the linter says about a revision, if it stood where revisions stand."""
    arguments = [str(BIN / "ruff"), command, *options, "--stdin-filename", f"migrations/versions/{script.name}"]
    linted = subprocess.run(arguments, check=False, cwd=ROOT, input=script.read_bytes(), capture_output=True)
    return linted.stdout.decode()


def test_an_empty_revision_is_valid_and_passes_lint(migrations: Path) -> None:
    flask_migrate.revision(directory=str(migrations), message="add shelves")
    (script,) = migrations.glob("versions/*_add_shelves.py")
    assert re.fullmatch(r"20\d{6}_add_shelves\.py", script.name)
    revision = runpy.run_path(str(script))
    assert (revision["down_revision"], revision["upgrade"](), revision["downgrade"]()) == (HEAD, None, None)
    assert ruff(script, "check").strip() == "All checks passed!"


def test_a_generated_revision_uses_the_column_types_and_passes_lint(
    migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = copy_of_models()
    for name, kind in (("read_at", UTCDateTime()), ("cover", Bytes), ("pages", BigInt)):
        altered.tables["books"].append_column(Column(name, kind, nullable=True))
    monkeypatch.setitem(db.metadatas, None, altered)
    flask_migrate.migrate(directory=str(migrations), message="remember covers")
    (script,) = migrations.glob("versions/*_remember_covers.py")
    types = set(re.findall(r"database\.[\w()]+", script.read_text()))
    assert types == {"database.UTCDateTime()", "database.Bytes", "database.BigInt"}
    assert ruff(script, "check", "--ignore", "E501").strip() == "All checks passed!"  # the formatter breaks long lines
    flask_migrate.upgrade(directory=str(migrations))
    assert drift(altered) == []


def test_no_revision_is_generated_without_changes(migrations: Path) -> None:
    before = set(migrations.glob("versions/*.py"))
    flask_migrate.migrate(directory=str(migrations), message="nothing")
    assert set(migrations.glob("versions/*.py")) == before
