"""`Idempotency-Key`: a request that is sent again gets the first answer again, and has its effect once."""

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
from tests.support.clients import Client, at_once, book, isbn, problem

KEY = "0b9e2f4a-4f0e-4d6e-9d6c-3c1f6d1c7e55"
CSV = b"title,author,isbn\nEmma,Jane Austen,9780141439587\n"


def add(client: Client, key: str = KEY, **fields: Any) -> Any:
    """Add a book, with a key."""
    return client.post("/books", json=book(**fields), headers={"Idempotency-Key": key})


def upload(client: Client, key: str = KEY, file: bytes = CSV) -> Any:
    """Import a file, with a key."""
    headers = {"Idempotency-Key": key, "Content-Type": "text/csv"}
    return client.post("/books/imports", data=file, headers=headers)


def upload_form(client: Client, boundary: str) -> Any:
    """Import the file as a form's field, with a key."""
    field = 'Content-Disposition: form-data; name="file"; filename="books.csv"'
    form = f"--{boundary}\r\n{field}\r\n\r\n".encode() + CSV + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Idempotency-Key": KEY, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    return client.post("/books/imports", data=form, headers=headers)


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


# --- The same again ---------------------------------------------------------------------------------------------------


@every_database
def test_a_retry_gets_the_first_response(ada: Client) -> None:
    first, second, third = (add(ada) for _ in range(3))
    assert first.status_code == 201
    assert first.headers["Location"]
    assert first.headers["ETag"]
    assert told(first) == told(second) == told(third)
    assert [replayed(answer) for answer in (first, second, third)] == [False, True, True]
    assert shelf(ada) == [book()["isbn"]]


@every_database
def test_a_retried_upload_creates_one_job_whatever_its_encoding(ada: Client, announced: list[int]) -> None:
    first = upload(ada)
    assert first.status_code == 202
    for again in (upload(ada), upload_form(ada, "one"), upload_form(ada, "another")):
        assert replayed(again)
        assert told(again) == told(first)
    assert announced == [item["id"] for item in ada.get("/jobs").json["items"]] == [first.json["id"]]


def test_key_order_and_white_space_of_json_do_not_matter(ada: Client) -> None:
    first = add(ada)
    fields = ", ".join(f'"{name}" : {value!r}'.replace("'", '"') for name, value in reversed(book().items()))
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    again = ada.post("/books", data=f"{{ {fields} }}", headers=headers)
    assert replayed(again)
    assert told(again) == told(first)


@every_database
def test_the_first_response_is_replayed_after_its_object_is_deleted(ada: Client) -> None:
    first = add(ada)
    assert ada.delete(f"/books/{first.json['id']}").status_code == 204
    again = add(ada)
    assert replayed(again)
    assert told(again) == told(first)
    assert shelf(ada) == []


@every_database
def test_requests_without_a_key_are_independent(app: Flask, ada: Client) -> None:
    assert [ada.import_csv(CSV).status_code for _ in range(2)] == [202, 202]
    assert len(ada.get("/jobs").json["items"]) == 2
    assert keys(app) == 0


@every_database
def test_keys_of_different_users_are_independent(ada: Client, bob: Client) -> None:
    first, second = add(ada), add(bob)
    assert (first.status_code, second.status_code) == (201, 201)
    assert not replayed(second)
    assert first.json["id"] != second.json["id"]
    assert told(add(bob)) == told(second)
    assert told(add(ada)) == told(first)


# --- Something else ---------------------------------------------------------------------------------------------------


@every_database
def test_a_key_of_another_request_gets_422(ada: Client) -> None:
    add(ada)
    for other in (add(ada, isbn=isbn(1)), add(ada, title="Emma."), upload(ada)):
        status, body = problem(other)
        assert (status, body["errors"]) == (422, {"Idempotency-Key": ["Was used with another request."]})
    assert shelf(ada) == [book()["isbn"]]
    assert ada.get("/jobs").json["items"] == []


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x7f", "é", "\x00"])
def test_an_invalid_key_is_refused(app: Flask, ada: Client, key: str) -> None:
    status, body = problem(add(ada, key))
    assert (status, list(body["errors"])) == (422, ["Idempotency-Key"])
    assert (shelf(ada), keys(app)) == ([], 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, "' OR 1=1 --", '"quoted, as the draft has it"'])
def test_a_key_can_be_any_printable_text(ada: Client, key: str) -> None:
    assert told(add(ada, key)) == told(add(ada, key))


@every_database
def test_keys_are_case_sensitive(ada: Client) -> None:
    assert add(ada, "abc").status_code == add(ada, "ABC", isbn=isbn(1)).status_code == 201


@every_database
def test_other_operations_ignore_the_key(app: Flask, ada: Client) -> None:
    path = f"/books/{ada.post('/books', json=book()).json['id']}"
    for title in ("One", "Two"):
        changed = ada.patch(path, json={"title": title}, headers={"Idempotency-Key": KEY})
        assert (changed.status_code, changed.json["title"], replayed(changed)) == (200, title, False)
    deleted = [ada.delete(path, headers={"Idempotency-Key": KEY}).status_code for _ in range(2)]
    assert deleted == [204, 404]
    assert keys(app) == 0


def test_the_openapi_document_names_the_idempotent_operations(anonymous: Client) -> None:
    paths = anonymous.get("~/openapi.json").json["paths"]
    taking = {
        f"{method} {path}": parameter
        for path, operations in paths.items()
        for method, operation in operations.items()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key"
    }
    assert set(taking) == {"post /api/v1/books", "post /api/v1/books/imports"}
    for parameter in taking.values():
        assert (parameter["in"], parameter.get("required", False)) == ("header", False)
        assert "24 hours" in parameter["description"]


# --- Errors -----------------------------------------------------------------------------------------------------------


@every_database
def test_an_error_response_is_not_replayed(ada: Client) -> None:
    first = ada.post("/books", json=book())
    assert [add(ada).status_code for _ in range(2)] == [409, 409]
    ada.delete(f"/books/{first.json['id']}")
    again = add(ada)
    assert (again.status_code, replayed(again)) == (201, False)


@every_database
def test_an_unexpected_error_is_not_replayed(app: Flask, ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(books, "create", lambda *_, **__: 1 // 0)
        assert problem(add(ada))[0] == 500
    assert keys(app) == 0
    assert add(ada).status_code == 201


@every_database
def test_an_invalid_request_does_not_use_its_key(app: Flask, ada: Client) -> None:
    assert add(ada, title="").status_code == 422
    assert keys(app) == 0
    assert add(ada).status_code == 201


# --- At the same time -------------------------------------------------------------------------------------------------


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


# --- Time -------------------------------------------------------------------------------------------------------------


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
