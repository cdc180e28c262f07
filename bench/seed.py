"""The same database for all: a user with 200 books, made by the service itself."""

import secrets
from pathlib import Path

import flask_migrate
from pydantic import SecretStr
from stdnum.ean import calc_check_digit

from app import create_app
from app.core.settings import Settings

SECRET = secrets.token_hex(32)
ACCOUNT = {"email": "ada@example.org", "password": "correct horse battery staple"}


def settings(folder: Path) -> Settings:
    """Two files in a folder."""
    return Settings(
        database_url=SecretStr(f"sqlite:///{folder}/bench.db"),
        broker_url=SecretStr(f"sqla+sqlite:///{folder}/broker.db"),
        secret_key=SecretStr(SECRET),
        log_level="WARNING",
    )


def seed(folder: Path) -> str:
    """Fill the database, and return an access token."""
    app = create_app(settings(folder))
    with app.app_context():
        flask_migrate.upgrade()
    client = app.test_client()
    client.post("/api/v1/auth/signup", json=ACCOUNT | {"name": "Ada"})
    token = client.post("/api/v1/auth/login", json=ACCOUNT).get_json()["access_token"]
    for number in range(200):
        book = {"title": f"Book {number}", "author": "Jane Austen", "isbn": _isbn(number), "year": 1813}
        client.post("/api/v1/books", json=book, headers={"Authorization": f"Bearer {token}"})
    return str(token)


def _isbn(number: int) -> str:
    digits = f"978{number:09}"
    return digits + calc_check_digit(digits)
