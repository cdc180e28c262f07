"""How long idempotency keys and responses are kept."""

from datetime import timedelta

from flask import Flask

from app.core.http.idempotency import KEPT
from tests.conftest import every_database
from tests.core.http.idempotent import (
    codes,
    content,
    count_keys,
    create,
    is_replayed,
    make_older,
)
from tests.support.clients import Client
from tests.support.factories import code, note


@every_database
def test_a_response_is_replayed_for_24_hours(app: Flask, ada: Client) -> None:
    first = create(ada)
    make_older(app, timedelta(hours=23, minutes=59))
    assert content(create(ada)) == content(first)
    assert is_replayed(create(ada))


@every_database
def test_a_key_can_be_reused_after_24_hours(app: Flask, ada: Client) -> None:
    create(ada)
    make_older(app, timedelta(hours=24))
    second = create(ada, code=code(1))
    assert (second.status_code, is_replayed(second)) == (201, False)
    assert content(create(ada, code=code(1))) == content(second)
    assert codes(ada) == [note()["code"], code(1)]


@every_database
def test_only_expired_keys_are_pruned(app: Flask, ada: Client) -> None:
    def prune() -> list[str]:
        return app.test_cli_runner().invoke(args=["prune"]).output.splitlines()

    first = create(ada, "old")
    assert "0 idempotency keys" in prune()
    make_older(app, KEPT - timedelta(seconds=10))
    assert "0 idempotency keys" in prune()
    assert content(create(ada, "old")) == content(first)
    make_older(app, KEPT)
    create(ada, "new", code=code(1))
    assert "1 idempotency keys" in prune()
    assert count_keys(app) == 1
    assert is_replayed(create(ada, "new", code=code(1)))
