"""Requests with an `Idempotency-Key`, and how their keys expire."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.core.database import db, utcnow
from app.core.http.idempotency import IdempotencyKey
from tests.support.clients import Client
from tests.support.factories import note
from tests.support.notes import service as notes

KEY = "0b9e2f4a-4f0e-4d6e-9d6c-3c1f6d1c7e55"
FILE = b"Milk\nBread\n"


def create(client: Client, key: str = KEY, **fields: Any) -> Any:
    """Create a note."""
    return client.post("/notes", json=note(**fields), headers={"Idempotency-Key": key})


def upload(client: Client, key: str = KEY) -> Any:
    """Import a file."""
    return client.post("/notes/imports", data=FILE, headers={"Idempotency-Key": key, "Content-Type": "text/csv"})


def upload_form(client: Client, boundary: str) -> Any:
    """Import the file as a form field."""
    field = 'Content-Disposition: form-data; name="file"; filename="notes.csv"'
    form = f"--{boundary}\r\n{field}\r\n\r\n".encode() + FILE + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Idempotency-Key": KEY, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    return client.post("/notes/imports", data=form, headers=headers)


def is_replayed(response: Any) -> bool:
    """Whether the response was replayed."""
    return bool(response.headers.get("Idempotent-Replayed") == "true")


def content(response: Any) -> tuple[Any, ...]:
    """The part of a response that a replay must repeat."""
    names = ("Content-Type", "Location", "ETag")
    return response.status_code, response.data, *(response.headers.get(name) for name in names)


def codes(client: Client) -> list[str]:
    """The codes of the user's notes."""
    return [item["code"] for item in client.get("/notes?limit=100").json["items"]]


def make_older(app: Flask, age: timedelta) -> None:
    """Make all keys older than `age`."""
    with app.app_context():
        db.session.execute(update(IdempotencyKey).values(claimed_at=utcnow() - age - timedelta(seconds=1)))
        db.session.commit()


def count_keys(app: Flask) -> int:
    """The number of stored keys."""
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


@contextmanager
def suspended(monkeypatch: pytest.MonkeyPatch, name: str, request: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Send a request in a thread, and suspend it in the function `name` of the service until the context ends.

    Requests that are sent in the meantime are not suspended.
    """
    function = getattr(notes, name)
    entered, resume = Event(), Event()

    def wait(*arguments: Any, **fields: Any) -> Any:
        if not entered.is_set():
            entered.set()
            assert resume.wait(10)
        return function(*arguments, **fields)

    monkeypatch.setattr(notes, name, wait)
    with ThreadPoolExecutor(1) as thread:
        response = thread.submit(request)
        try:
            assert entered.wait(10)
            yield response
        finally:
            resume.set()
