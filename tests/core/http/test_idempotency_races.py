"""Idempotency keys of concurrent and interrupted requests."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.books import service as books
from app.core.database import db, utcnow
from app.core.errors import Conflict
from app.core.http import idempotency
from app.core.http.idempotency import KEPT, LEASE, IdempotencyKey
from app.jobs import service as jobs
from tests.conftest import every_database
from tests.support.clients import Client, at_once, book, problem

KEY = "0b9e2f4a-4f0e-4d6e-9d6c-3c1f6d1c7e55"
CSV = b"title,author,isbn\nEmma,Jane Austen,9780141439587\n"


def add(client: Client, key: str = KEY, **fields: Any) -> Any:
    """Add a book, with a key."""
    return client.post("/books", json=book(**fields), headers={"Idempotency-Key": key})


def upload(client: Client, key: str = KEY, file: bytes = CSV) -> Any:
    """Import a file, with a key."""
    headers = {"Idempotency-Key": key, "Content-Type": "text/csv"}
    return client.post("/books/imports", data=file, headers=headers)


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


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that the broker is told of."""
    told: list[int] = []
    monkeypatch.setattr(jobs, "publish", lambda task, job_id: told.append(job_id))
    return told


class Killed(BaseException):
    """As if the process were gone."""


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch, name: str, request: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Send a request whose work, a function of books, does not begin before the end; all others are done at once."""
    work = getattr(books, name)
    entered, go_on = Event(), Event()

    def wait(*arguments: Any, **fields: Any) -> Any:
        if not entered.is_set():
            entered.set()
            assert go_on.wait(10)
        return work(*arguments, **fields)

    monkeypatch.setattr(books, name, wait)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(request)
        try:
            assert entered.wait(10)
            yield answer
        finally:
            go_on.set()


@every_database
def test_a_retry_during_the_first_request_gets_409(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_up(monkeypatch, "create", partial(add, ada)) as first:
        assert problem(add(ada))[0] == 409
        assert problem(add(ada, title="Another"))[0] == 422
    assert first.result().status_code == 201
    assert replayed(add(ada))
    assert shelf(ada) == [book()["isbn"]]


@every_database
@pytest.mark.parametrize("times", [2, 8])
def test_concurrent_retries_have_one_effect(ada: Client, announced: list[int], times: int) -> None:
    for number in range(4):
        answers = at_once(partial(upload, ada, f"{KEY}-{number}"), times)
        assert Counter(replayed(answer) for answer in answers if answer.status_code == 202)[False] == 1
        assert {answer.status_code for answer in answers} <= {202, 409}
        assert len({told(answer) for answer in answers if answer.status_code == 202}) == 1
    assert len(announced) == len(ada.get("/jobs").json["items"]) == 4


@every_database
def test_concurrent_retries_that_fail_leave_no_key(app: Flask, ada: Client) -> None:
    ada.post("/books", json=book())
    answers = at_once(partial(add, ada), 8)
    assert {answer.status_code for answer in answers} <= {409, 503}  # now and then, MariaDB sees a deadlock
    assert keys(app) == 0


@every_database
def test_an_expired_response_is_not_replayed_during_its_replacement(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.delete(f"/books/{add(ada).json['id']}")
    pass_time(app, KEPT)
    with held_up(monkeypatch, "create", partial(add, ada)) as second:
        assert problem(add(ada))[0] == 409
    assert second.result().status_code == 201


@every_database
def test_a_key_of_a_killed_request_is_reusable_after_its_lease(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(books, "create", die)
        with pytest.raises(Killed):
            add(ada)
    assert problem(add(ada))[0] == 409
    pass_time(app, LEASE - timedelta(seconds=10))
    assert problem(add(ada))[0] == 409
    assert shelf(ada) == []
    pass_time(app, LEASE)
    assert problem(add(ada, title="Another"))[0] == 422
    second = add(ada)
    assert (second.status_code, replayed(second)) == (201, False)
    assert told(add(ada)) == told(second)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)  # on SQLite, one waits for the other
def test_one_of_two_concurrent_retries_takes_over_an_expired_lease(
    app: Flask, ada: Client, announced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_looked, look = Barrier(2), idempotency._kept

    def look_and_wait(*arguments: Any) -> Any:
        kept = look(*arguments)
        both_have_looked.wait(timeout=10)
        return kept

    upload(ada)
    with app.app_context():
        db.session.execute(update(IdempotencyKey).values(status=None, claimed_at=utcnow() - 2 * LEASE))
        db.session.commit()
    monkeypatch.setattr(idempotency, "_kept", look_and_wait)
    answers = at_once(partial(upload, ada))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len(announced) == 2


@every_database
def test_a_slow_request_that_lost_its_key_changes_nothing(
    app: Flask, ada: Client, announced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_up(monkeypatch, "request_import", partial(upload, ada)) as slow:
        pass_time(app, LEASE)
        quick = upload(ada)
        assert (quick.status_code, replayed(quick)) == (202, False)
    assert problem(slow.result())[0] == 409
    assert announced == [item["id"] for item in ada.get("/jobs").json["items"]] == [quick.json["id"]]
    assert told(upload(ada)) == told(quick)


@every_database
def test_a_slow_request_that_fails_leaves_its_successors_key(
    app: Flask, ada: Client, announced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_up(monkeypatch, "request_import", partial(upload, ada)) as slow:
        pass_time(app, LEASE)
        quick = upload(ada)

        def fail(*_: Any) -> None:
            raise Conflict("Too late.")

        monkeypatch.setattr(jobs, "enqueue", fail)
    assert problem(slow.result())[1]["detail"] == "Too late."
    assert told(upload(ada)) == told(quick)
    assert announced == [quick.json["id"]]
