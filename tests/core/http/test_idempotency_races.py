"""Idempotency keys of concurrent and interrupted requests."""

from collections import Counter
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.core.database import db, utcnow
from app.core.errors import Conflict
from app.core.http import idempotency
from app.core.http.idempotency import KEPT, LEASE, IdempotencyKey
from app.jobs import service as jobs
from tests.conftest import every_database
from tests.core.http.idempotent import (
    KEY,
    codes,
    content,
    count_keys,
    create,
    is_replayed,
    make_older,
    suspended,
    upload,
)
from tests.support.clients import Client, at_once, problem
from tests.support.factories import note
from tests.support.notes import service as notes


class Killed(BaseException):
    """The process is killed: no code of the request runs any more."""


@every_database
def test_a_retry_during_the_first_request_gets_409(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with suspended(monkeypatch, "create", partial(create, ada)) as first:
        assert problem(create(ada))[0] == 409
        assert problem(create(ada, title="Another"))[0] == 422
    assert first.result().status_code == 201
    assert is_replayed(create(ada))
    assert codes(ada) == [note()["code"]]


@every_database
@pytest.mark.parametrize("times", [2, 8])
def test_concurrent_retries_have_one_effect(ada: Client, announced: list[int], times: int) -> None:
    for number in range(4):
        responses = at_once(partial(upload, ada, f"{KEY}-{number}"), times)
        assert Counter(is_replayed(response) for response in responses if response.status_code == 202)[False] == 1
        assert {response.status_code for response in responses} <= {202, 409}
        assert len({content(response) for response in responses if response.status_code == 202}) == 1
    assert len(announced) == len(ada.get("/jobs").json["items"]) == 4


@every_database
def test_concurrent_retries_that_fail_leave_no_key(app: Flask, ada: Client) -> None:
    ada.post("/notes", json=note())
    responses = at_once(partial(create, ada), 8)
    assert {response.status_code for response in responses} <= {409, 503}  # MariaDB may detect a deadlock
    assert count_keys(app) == 0


@every_database
def test_an_expired_response_is_not_replayed_during_its_replacement(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.delete(f"/notes/{create(ada).json['id']}")
    make_older(app, KEPT)
    with suspended(monkeypatch, "create", partial(create, ada)) as second:
        assert problem(create(ada))[0] == 409
    assert second.result().status_code == 201


@every_database
def test_a_key_of_a_killed_request_is_reusable_after_its_lease(
    app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(notes, "create", die)
        with pytest.raises(Killed):
            create(ada)
    assert problem(create(ada))[0] == 409
    make_older(app, LEASE - timedelta(seconds=10))
    assert problem(create(ada))[0] == 409
    assert codes(ada) == []
    make_older(app, LEASE)
    assert problem(create(ada, title="Another"))[0] == 422
    second = create(ada)
    assert (second.status_code, is_replayed(second)) == (201, False)
    assert content(create(ada)) == content(second)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)  # SQLite runs one after the other
def test_one_of_two_concurrent_retries_takes_over_an_expired_lease(
    app: Flask, ada: Client, announced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_looked, find = Barrier(2), idempotency._Claim.find

    def find_and_wait(claim: Any) -> Any:
        found = find(claim)
        both_have_looked.wait(timeout=10)
        return found

    upload(ada)
    with app.app_context():
        db.session.execute(update(IdempotencyKey).values(status=None, claimed_at=utcnow() - 2 * LEASE))
        db.session.commit()
    monkeypatch.setattr(idempotency._Claim, "find", find_and_wait)
    responses = at_once(partial(upload, ada))
    assert sorted(response.status_code for response in responses) == [202, 409]
    assert len(announced) == 2


@every_database
def test_a_slow_request_that_lost_its_key_changes_nothing(
    app: Flask, ada: Client, announced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with suspended(monkeypatch, "request_import", partial(upload, ada)) as slow:
        make_older(app, LEASE)
        quick = upload(ada)
        assert (quick.status_code, is_replayed(quick)) == (202, False)
    assert problem(slow.result())[0] == 409
    assert announced == [item["id"] for item in ada.get("/jobs").json["items"]] == [quick.json["id"]]
    assert content(upload(ada)) == content(quick)


@every_database
def test_a_slow_request_that_fails_leaves_its_successors_key(
    app: Flask, ada: Client, announced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with suspended(monkeypatch, "request_import", partial(upload, ada)) as slow:
        make_older(app, LEASE)
        quick = upload(ada)

        def fail(*_: Any, **__: Any) -> None:
            raise Conflict("Too late.")

        monkeypatch.setattr(jobs, "enqueue", fail)
    assert problem(slow.result())[1]["detail"] == "Too late."
    assert content(upload(ada)) == content(quick)
    assert announced == [quick.json["id"]]
