"""Idempotency keys of requests whose commit fails."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.core.database import commit, db, db_now
from app.core.http import idempotency
from app.core.http.idempotency import LEASE, IdempotencyKey
from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import note


def add(client: Client) -> Any:
    return client.post("/notes", json=note(), headers={"Idempotency-Key": "k"})


def add_failing(client: Client, monkeypatch: pytest.MonkeyPatch, *commits: Callable[[], None]) -> None:
    """Send the request. After the commit of its claim, its commits are replaced by these."""
    todo = iter((commit, *commits))

    def next_commit() -> None:
        next(todo)()

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "commit", next_commit)
        assert problem(add(client))[0] in (500, 503)
    assert list(todo) == []


def fail() -> None:
    raise OperationalError("COMMIT", {}, Exception("the connection is closed"), connection_invalidated=True)


def commit_and_fail() -> None:
    commit()
    fail()


def notes(client: Client) -> int:
    return len(client.get("/notes").json["items"])


@every_database
def test_the_next_try_after_a_failed_commit_does_the_work(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    add_failing(ada, monkeypatch, fail, commit)
    assert notes(ada) == 0
    second = add(ada)
    assert (second.status_code, "Idempotent-Replayed" in second.headers) == (201, False)
    assert notes(ada) == 1


@every_database
def test_a_commit_that_only_seems_to_fail_is_replayed(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    add_failing(ada, monkeypatch, commit_and_fail, commit)
    second = add(ada)
    assert (second.status_code, second.headers["Idempotent-Replayed"]) == (201, "true")
    assert notes(ada) == 1


@every_database
def test_a_claim_that_cannot_be_released_says_when_to_come_back(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_failing(ada, monkeypatch, fail, fail)
    second = add(ada)
    assert problem(second)[0] == 409
    assert 0 < int(second.headers["Retry-After"]) <= LEASE.total_seconds()
    with app.app_context():
        db.session.execute(update(IdempotencyKey).values(claimed_at=db_now() - LEASE / 2))
        commit()
    third = add(ada)
    assert int(third.headers["Retry-After"]) <= LEASE.total_seconds() / 2 + 1
    with app.app_context():
        db.session.execute(update(IdempotencyKey).values(claimed_at=db_now() - LEASE))
        commit()
    assert add(ada).status_code == 201
    assert notes(ada) == 1


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)  # SQLite has one writer at a time
def test_a_response_that_is_stored_at_the_last_moment_is_not_overwritten(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow request outlives its lease, and finishes after another one has seen that the lease has ended."""
    find = idempotency._Claim.find

    def find_before_the_first_request_finishes(claim: Any) -> Any:
        found = find(claim)
        with app.app_context():
            db.session.execute(update(IdempotencyKey).values(status=201, headers={}, body=b"first"))
            commit()
        return found

    add_failing(ada, monkeypatch, fail, fail)
    with app.app_context():
        db.session.execute(update(IdempotencyKey).values(claimed_at=db_now() - LEASE))
        commit()
    with monkeypatch.context() as patch:
        patch.setattr(idempotency._Claim, "find", find_before_the_first_request_finishes)
        assert problem(add(ada))[0] == 409
    assert add(ada).data == b"first"
    assert notes(ada) == 0
