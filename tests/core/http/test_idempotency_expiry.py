"""How long idempotency keys and responses are kept."""

from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import func, select, update

from app.core.database import db, utcnow
from app.core.http.idempotency import KEPT, IdempotencyKey
from tests.conftest import every_database
from tests.support.clients import Client, book, isbn

KEY = "0b9e2f4a-4f0e-4d6e-9d6c-3c1f6d1c7e55"


def add(client: Client, key: str = KEY, **fields: Any) -> Any:
    """Add a book, with a key."""
    return client.post("/books", json=book(**fields), headers={"Idempotency-Key": key})


def replayed(response: Any) -> bool:
    return bool(response.headers.get("Idempotent-Replayed") == "true")


def told(response: Any) -> tuple[Any, ...]:
    """What an answer says."""
    names = ("Content-Type", "Location", "ETag")
    return response.status_code, response.data, *(response.headers.get(name) for name in names)


def shelf(client: Client) -> list[str]:
    return [item["isbn"] for item in client.get("/books?limit=100").json["items"]]


def pass_time(app: Flask, since: timedelta) -> None:
    """Let the keys have been claimed so long ago, and a second."""
    with app.app_context():
        db.session.execute(update(IdempotencyKey).values(claimed_at=utcnow() - since - timedelta(seconds=1)))
        db.session.commit()


def keys(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


@every_database
def test_a_response_is_replayed_for_24_hours(app: Flask, ada: Client) -> None:
    first = add(ada)
    pass_time(app, timedelta(hours=23, minutes=59))
    assert told(add(ada)) == told(first)
    assert replayed(add(ada))


@every_database
def test_a_key_can_be_reused_after_24_hours(app: Flask, ada: Client) -> None:
    add(ada)
    pass_time(app, timedelta(hours=24))
    second = add(ada, isbn=isbn(1))
    assert (second.status_code, replayed(second)) == (201, False)
    assert told(add(ada, isbn=isbn(1))) == told(second)
    assert shelf(ada) == [book()["isbn"], isbn(1)]


@every_database
def test_only_expired_keys_are_pruned(app: Flask, ada: Client) -> None:
    def prune() -> list[str]:
        return app.test_cli_runner().invoke(args=["prune"]).output.splitlines()

    first = add(ada, "old")
    assert "0 idempotency keys" in prune()
    pass_time(app, KEPT - timedelta(seconds=10))
    assert "0 idempotency keys" in prune()
    assert told(add(ada, "old")) == told(first)
    pass_time(app, KEPT)
    add(ada, "new", isbn=isbn(1))
    assert "1 idempotency keys" in prune()
    assert keys(app) == 1
    assert replayed(add(ada, "new", isbn=isbn(1)))
