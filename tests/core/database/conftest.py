"""Fixtures of the database tests: an application context, and databases without a schema."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask, current_app
from sqlalchemy import MetaData

from app import create_app
from app.core.database import Base, db, rollback
from app.core.urls import ROOT
from tests.conftest import make_settings
from tests.support.services import new_database


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """An application context, like that of a worker or a command."""
    with app.app_context():
        yield
        rollback()


@pytest.fixture
def url(database: str, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
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


@pytest.fixture
def migrated(fresh: Flask) -> Flask:
    """An application on a database with all migrations, in its context."""
    flask_migrate.upgrade()
    return fresh


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A copy of the migrations, for new ones."""
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def copy_of_models() -> MetaData:
    """A copy of the models' tables, for changes."""
    copy = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        table.to_metadata(copy)
    return copy


def drift(metadata: MetaData) -> list[Any]:
    """The differences between the database and a metadata."""
    options = current_app.extensions["migrate"].configure_args | {"compare_type": True, "compare_server_default": True}
    with db.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
