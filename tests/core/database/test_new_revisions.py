"""`flask db revision` and `flask db migrate`: what they write."""

import re
import runpy
import subprocess
from pathlib import Path

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Column

from app.core.database import BigInt, Bytes, UTCDateTime, db
from app.core.urls import ROOT
from tests.core.database.conftest import copy_of_models, drift
from tests.support.environment import BIN

HEAD = ScriptDirectory(str(ROOT / "migrations")).get_current_head()


@pytest.fixture
def migrations(tmp_path: Path, fresh: Flask) -> Path:
    """A copy of the folder of migrations, for new revisions. The database is at the head."""
    flask_migrate.upgrade()
    folder = tmp_path / "migrations"
    for file in (ROOT / "migrations").rglob("*.*"):
        if file.suffix != ".pyc":
            copy = folder / file.relative_to(ROOT / "migrations")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    return folder


def ruff(script: Path, command: str, *options: str) -> str:
    """The linter's output for a revision, as if it were in the real folder."""
    arguments = [str(BIN / "ruff"), command, *options, "--stdin-filename", f"migrations/versions/{script.name}"]
    linted = subprocess.run(arguments, check=False, cwd=ROOT, input=script.read_bytes(), capture_output=True)
    return linted.stdout.decode()


def test_an_empty_revision_is_valid_and_passes_lint(migrations: Path) -> None:
    flask_migrate.revision(directory=str(migrations), message="add nicknames")
    (script,) = migrations.glob("versions/*_add_nicknames.py")
    assert re.fullmatch(r"20\d{6}_add_nicknames\.py", script.name)
    revision = runpy.run_path(str(script))
    assert (revision["down_revision"], revision["upgrade"](), revision["downgrade"]()) == (HEAD, None, None)
    assert ruff(script, "check").strip() == "All checks passed!"


def test_a_generated_revision_uses_the_column_types_and_passes_lint(
    migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = copy_of_models()
    for name, kind in (("read_at", UTCDateTime()), ("picture", Bytes), ("pages", BigInt)):
        altered.tables["users"].append_column(Column(name, kind, nullable=True))
    monkeypatch.setitem(db.metadatas, None, altered)
    flask_migrate.migrate(directory=str(migrations), message="remember pictures")
    (script,) = migrations.glob("versions/*_remember_pictures.py")
    types = set(re.findall(r"database\.[\w()]+", script.read_text()))
    assert types == {"database.UTCDateTime()", "database.Bytes", "database.BigInt"}
    assert ruff(script, "check", "--ignore", "E501").strip() == "All checks passed!"  # the formatter breaks long lines
    flask_migrate.upgrade(directory=str(migrations))
    assert drift(altered) == []


def test_no_revision_is_generated_without_changes(migrations: Path) -> None:
    before = set(migrations.glob("versions/*.py"))
    flask_migrate.migrate(directory=str(migrations), message="nothing")
    assert set(migrations.glob("versions/*.py")) == before
