"""The folders of SQLite files: the first connection creates them, and the parsing of a URL does not."""

from pathlib import Path

import flask_migrate
import pytest
from flask import current_app
from sqlalchemy import text

from app import create_app
from app.core.broker.publisher import Publisher
from app.core.database import db
from app.core.settings import InvalidSettings, load_settings
from app.core.urls import broker_url, database_url
from tests.conftest import make_settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that does not exist."""
    return tmp_path / "a" / "new" / "folder"


def test_parsing_creates_no_folder(folder: Path) -> None:
    database_url(f"sqlite:///{folder}/app.db")
    broker_url(f"sqla+sqlite:///{folder}/broker.db")
    create_app(make_settings(f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db"))
    assert not folder.exists()


def test_the_first_connection_to_the_database_creates_its_folder(folder: Path, tmp_path: Path) -> None:
    app = create_app(make_settings(f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db"))
    with app.app_context():
        assert db.session.scalar(text("SELECT 1")) == 1
        db.engine.dispose()
    assert (folder / "app.db").exists()


def test_migrations_create_the_folder(folder: Path, tmp_path: Path) -> None:
    app = create_app(make_settings(f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{tmp_path}/broker.db"))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    assert (folder / "app.db").exists()


def test_the_first_connection_to_the_broker_creates_its_folder(folder: Path, tmp_path: Path) -> None:
    app = create_app(make_settings(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{folder}/broker.db"))
    with app.app_context():
        publisher: Publisher = current_app.extensions["publisher"]
        publisher.check()
        publisher._thread.shutdown()
    assert (folder / "broker.db").exists()


def test_a_folder_that_cannot_be_created_is_one_message_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////dev/null/folder/app.db")
    monkeypatch.setenv("BROKER_URL", "sqla+sqlite:////dev/null/folder/broker.db")
    monkeypatch.setenv("SECRET_KEY", "0123456789abcdef0123456789abcdef")
    with pytest.raises(InvalidSettings) as raised:
        load_settings()
    for variable in ("DATABASE_URL", "BROKER_URL"):
        assert f"{variable} names a file in a folder that is not there and cannot be created" in str(raised.value)
